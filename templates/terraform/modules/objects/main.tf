# The tenant's documents: cheaper once nobody reads them.

variable "bucket_name" { type = string }

module "bucket" {
  source      = "../bucket"
  bucket_name = var.bucket_name
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = module.bucket.bucket
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = module.bucket.bucket
  rule {
    id     = "rarely-read"
    status = "Enabled"
    filter {}
    transition {
      days          = 0
      storage_class = "INTELLIGENT_TIERING"
    }
  }
  rule {
    id     = "forget"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

output "bucket" {
  value = module.bucket.bucket
}
