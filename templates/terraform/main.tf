# The cloud parts of a SalamBot environment. Equal to templates/cloudformation.

locals {
  name = "salambot-${var.tenant}"
}

module "network" {
  source         = "./modules/network"
  name           = local.name
  developer_cidr = var.developer_cidr
  database_port  = var.database_port
}

module "secrets" {
  source      = "./modules/secrets"
  name        = local.name
  tenant      = var.tenant
  with_secret = var.secrets
  secret_name = var.secret_name
}

module "database" {
  count              = var.database ? 1 : 0
  source             = "./modules/database"
  name               = local.name
  instance_class     = var.database_class
  port               = var.database_port
  subnet_ids         = module.network.subnet_ids
  security_group_ids = [module.network.database_group_id]
  key_arn            = module.secrets.key_arn
}

module "cache" {
  count              = var.cache ? 1 : 0
  source             = "./modules/cache"
  name               = local.name
  node_type          = var.cache_node_type
  secret_name        = "${var.secret_name}/redis"
  subnet_ids         = module.network.subnet_ids
  security_group_ids = [module.network.cache_group_id]
  key_arn            = module.secrets.key_arn
}

module "objects" {
  count       = var.objects ? 1 : 0
  source      = "./modules/objects"
  bucket_name = var.bucket_name
}

module "audit" {
  source      = "./modules/audit"
  name        = local.name
  bucket_name = "${var.bucket_name}-audit"
}

module "access" {
  source       = "./modules/access"
  name         = local.name
  tenant       = var.tenant
  key_arn      = module.secrets.key_arn
  with_secret  = var.secrets
  secret_name  = var.secret_name
  with_objects = var.objects
  bucket_name  = var.bucket_name
}
