# The key of secrets and stores, and the environment's secret: `salambot secrets push` fills it, `rotate` renews it.

variable "name" { type = string }
variable "tenant" { type = string }
variable "with_secret" { type = bool }
variable "secret_name" { type = string }

resource "aws_kms_key" "this" {
  description         = "Secrets and stores of SalamBot, ${var.tenant}"
  enable_key_rotation = true
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_secretsmanager_secret" "this" {
  count       = var.with_secret ? 1 : 0
  name        = var.secret_name
  description = "Variables of SalamBot, ${var.tenant}"
  kms_key_id  = aws_kms_key.this.arn
}

resource "aws_secretsmanager_secret_version" "empty" {
  count         = var.with_secret ? 1 : 0
  secret_id     = aws_secretsmanager_secret.this[0].id
  secret_string = "{}"
  lifecycle {
    ignore_changes = [secret_string] # what is pushed is not Terraform's to know
  }
}

output "key_arn" {
  value = aws_kms_key.this.arn
}
