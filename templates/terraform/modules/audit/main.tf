# Who did what: a trail over all regions, kept for a year.

variable "name" { type = string }
variable "bucket_name" { type = string }

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  bucket = "arn:${data.aws_partition.this.partition}:s3:::${var.bucket_name}"
  trail = join(":", [
    "arn", data.aws_partition.this.partition, "cloudtrail", data.aws_region.this.name,
    data.aws_caller_identity.this.account_id, "trail/${var.name}",
  ])
}

module "bucket" {
  source      = "../bucket"
  bucket_name = var.bucket_name
  statements  = [data.aws_iam_policy_document.trail.json]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = module.bucket.bucket
  rule {
    id     = "forget"
    status = "Enabled"
    filter {}
    expiration {
      days = 365
    }
  }
}

data "aws_iam_policy_document" "trail" {
  dynamic "statement" {
    for_each = {
      TheTrailLooks  = { action = "s3:GetBucketAcl", resource = local.bucket }
      TheTrailWrites = { action = "s3:PutObject", resource = "${local.bucket}/AWSLogs/${data.aws_caller_identity.this.account_id}/*" }
    }
    content {
      sid       = statement.key
      actions   = [statement.value.action]
      resources = [statement.value.resource]
      principals {
        type        = "Service"
        identifiers = ["cloudtrail.amazonaws.com"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:SourceArn"
        values   = [local.trail]
      }
    }
  }
}

resource "aws_cloudtrail" "this" {
  name                          = var.name
  s3_bucket_name                = module.bucket.bucket
  enable_logging                = true
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
}
