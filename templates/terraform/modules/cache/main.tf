# Redis: TLS and a password, and a queue that is never evicted.

variable "name" { type = string }
variable "node_type" { type = string }
variable "secret_name" { type = string }
variable "subnet_ids" { type = list(string) }
variable "security_group_ids" { type = list(string) }
variable "key_arn" { type = string }

data "aws_secretsmanager_random_password" "this" {
  password_length     = 48
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "password" {
  name       = var.secret_name
  kms_key_id = var.key_arn
}

resource "aws_secretsmanager_secret_version" "password" {
  secret_id     = aws_secretsmanager_secret.password.id
  secret_string = data.aws_secretsmanager_random_password.this.random_password
  lifecycle {
    ignore_changes = [secret_string] # another one each time it is asked for
  }
}

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "this" {
  name   = var.name
  family = "redis7"
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id       = var.name
  description                = "SalamBot"
  engine                     = "redis"
  engine_version             = "7.1"
  node_type                  = var.node_type
  num_cache_clusters         = 1
  automatic_failover_enabled = false
  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  kms_key_id                 = var.key_arn
  auth_token                 = aws_secretsmanager_secret_version.password.secret_string
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  security_group_ids         = var.security_group_ids
  snapshot_retention_limit   = 1
}

output "host" {
  value = aws_elasticache_replication_group.this.primary_endpoint_address
}
