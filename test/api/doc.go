// Package api proves the HTTP API from outside: a real service, asked through a
// client that is made of the API's own description.
package api
