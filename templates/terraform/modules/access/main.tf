# The least that each caller must be allowed: the policies of templates/iam.

variable "name" { type = string }
variable "tenant" { type = string }
variable "key_arn" { type = string }
variable "with_secret" { type = bool }
variable "secret_name" { type = string }
variable "with_objects" { type = bool }
variable "bucket_name" { type = string }

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  region = data.aws_region.this.name
  bucket = "arn:${data.aws_partition.this.partition}:s3:::${var.bucket_name}"
  secret = join(":", [
    "arn", data.aws_partition.this.partition, "secretsmanager", local.region,
    data.aws_caller_identity.this.account_id, "secret", "${var.secret_name}-??????",
  ])
  by_the_vault = { StringEquals = { "kms:ViaService" = "secretsmanager.${local.region}.amazonaws.com" } }
  listing = {
    Sid       = "ListTheDocumentsOfThisTenant"
    Effect    = "Allow"
    Action    = ["s3:ListBucket"]
    Resource  = local.bucket
    Condition = { StringLike = { "s3:prefix" = "${var.tenant}/*" } }
  }
  of_secrets = {
    read = [
      {
        Sid      = "ReadTheSecretsOfThisEnvironment"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = local.secret
      },
      {
        Sid       = "DecryptThemOnly"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = var.key_arn
        Condition = local.by_the_vault
      },
    ]
    rotate = [
      {
        Sid    = "ReadAndReplaceTheSecretsOfThisEnvironment"
        Effect = "Allow"
        Action = [
          "secretsmanager:CreateSecret",
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetResourcePolicy",
          "secretsmanager:GetSecretValue",
          "secretsmanager:ListSecretVersionIds",
          "secretsmanager:PutSecretValue",
        ]
        Resource = local.secret
      },
      {
        Sid       = "EncryptAndDecryptThemOnly"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.key_arn
        Condition = local.by_the_vault
      },
    ]
  }
  of_documents = {
    seed = [
      local.listing,
      {
        Sid      = "WriteTheDocumentsOfThisTenant"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = "${local.bucket}/${var.tenant}/*"
      },
    ]
    orchestrateur = [
      local.listing,
      {
        Sid      = "ReadTheDocumentsOfThisTenant"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = "${local.bucket}/${var.tenant}/*"
      },
    ]
  }
}

resource "aws_iam_policy" "secrets" {
  for_each = var.with_secret ? toset(keys(local.of_secrets)) : toset([])
  name     = "${var.name}-${each.key}"
  policy   = jsonencode({ Version = "2012-10-17", Statement = local.of_secrets[each.key] })
}

resource "aws_iam_policy" "documents" {
  for_each = var.with_objects ? toset(keys(local.of_documents)) : toset([])
  name     = "${var.name}-${each.key}"
  policy   = jsonencode({ Version = "2012-10-17", Statement = local.of_documents[each.key] })
}
