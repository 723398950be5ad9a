# `salambot provision --plan` writes their values for an environment.

variable "tenant" {
  description = "The environment's tenant; names begin with salambot-<tenant>"
  type        = string
  default     = "demo"
  validation {
    condition     = can(regex("^[a-z0-9-]{1,31}$", var.tenant))
    error_message = "Lower-case letters, digits and dashes, at most 31."
  }
}

variable "region" {
  description = "Where everything stands"
  type        = string
  default     = "eu-west-1"
}

variable "developer_cidr" {
  description = "The address that may reach the database, such as 203.0.113.7/32"
  type        = string
  validation {
    condition     = can(cidrhost(var.developer_cidr, 0)) && tonumber(split("/", var.developer_cidr)[1]) >= 24
    error_message = "An IPv4 network of at most 256 addresses."
  }
}

variable "database" {
  description = "Whether to make a database"
  type        = bool
  default     = true
}

variable "database_class" {
  description = "The class of the RDS instance; `serverless` makes an Aurora Serverless v2"
  type        = string
  default     = "db.t4g.micro"
}

variable "database_port" {
  type    = number
  default = 5432
}

variable "cache" {
  description = "Whether to make a cache"
  type        = bool
  default     = true
}

variable "cache_node_type" {
  type    = string
  default = "cache.t4g.micro"
}

variable "objects" {
  description = "Whether to make a bucket for documents"
  type        = bool
  default     = true
}

variable "bucket_name" {
  type    = string
  default = "salambot-kb"
}

variable "secrets" {
  description = "Whether to make the environment's secret"
  type        = bool
  default     = true
}

variable "secret_name" {
  type    = string
  default = "salambot/demo"
}
