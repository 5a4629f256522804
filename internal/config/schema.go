package config

import _ "embed"

// schema is written by tools/docs from the types and comments of this package.
//
//go:embed holdfast.schema.json
var schema string

// Schema returns the JSON Schema of holdfast.yaml.
func Schema() string { return schema }
