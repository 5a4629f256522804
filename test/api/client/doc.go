// Package client asks the API of a service. It is made of the API's own
// description, as any program's client can be, and shows that this suffices.
package client

//go:generate go tool -modfile=../../../tools/tools.mod oapi-codegen -config config.yaml ../../../docs/openapi.json
