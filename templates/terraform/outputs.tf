output "database_host" {
  value = one(module.database[*].host)
}

output "cache_host" {
  value = one(module.cache[*].host)
}

output "bucket" {
  value = one(module.objects[*].bucket)
}

output "key_arn" {
  value = module.secrets.key_arn
}
