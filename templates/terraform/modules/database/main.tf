# PostgreSQL: an instance, or an Aurora Serverless v2 that pauses when idle. RDS keeps and rotates the owner's password.

variable "name" { type = string }
variable "instance_class" { type = string }
variable "port" { type = number }
variable "subnet_ids" { type = list(string) }
variable "security_group_ids" { type = list(string) }
variable "key_arn" { type = string }

locals {
  serverless = var.instance_class == "serverless"
  password = one(concat(
    aws_db_instance.this[*].master_user_secret[0].secret_arn,
    aws_rds_cluster.this[*].master_user_secret[0].secret_arn,
  ))
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_db_parameter_group" "this" {
  count       = local.serverless ? 0 : 1
  name_prefix = "${var.name}-"
  family      = "postgres18"
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}

resource "aws_db_instance" "this" {
  count                         = local.serverless ? 0 : 1
  identifier                    = var.name
  db_name                       = "salambot"
  engine                        = "postgres"
  engine_version                = "18"
  instance_class                = var.instance_class
  allocated_storage             = 20
  max_allocated_storage         = 100
  storage_type                  = "gp3"
  storage_encrypted             = true
  kms_key_id                    = var.key_arn
  username                      = "salambot"
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.key_arn
  port                          = var.port
  publicly_accessible           = true
  vpc_security_group_ids        = var.security_group_ids
  db_subnet_group_name          = aws_db_subnet_group.this.name
  parameter_group_name          = aws_db_parameter_group.this[0].name
  backup_retention_period       = 7
  copy_tags_to_snapshot         = true
  auto_minor_version_upgrade    = true
  deletion_protection           = true
  final_snapshot_identifier     = "${var.name}-last"
}

resource "aws_rds_cluster" "this" {
  count                         = local.serverless ? 1 : 0
  cluster_identifier            = var.name
  database_name                 = "salambot"
  engine                        = "aurora-postgresql"
  engine_mode                   = "provisioned"
  storage_encrypted             = true
  kms_key_id                    = var.key_arn
  master_username               = "salambot"
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.key_arn
  port                          = var.port
  vpc_security_group_ids        = var.security_group_ids
  db_subnet_group_name          = aws_db_subnet_group.this.name
  backup_retention_period       = 7
  deletion_protection           = true
  final_snapshot_identifier     = "${var.name}-last"
  serverlessv2_scaling_configuration {
    min_capacity             = 0
    max_capacity             = 2
    seconds_until_auto_pause = 600
  }
}

resource "aws_rds_cluster_instance" "this" {
  count               = local.serverless ? 1 : 0
  cluster_identifier  = aws_rds_cluster.this[0].id
  engine              = aws_rds_cluster.this[0].engine
  instance_class      = "db.serverless"
  publicly_accessible = true
}

resource "aws_secretsmanager_secret_rotation" "password" {
  secret_id = local.password
  rotation_rules {
    automatically_after_days = 30
  }
}

output "host" {
  value = one(concat(aws_db_instance.this[*].address, aws_rds_cluster.this[*].endpoint))
}
