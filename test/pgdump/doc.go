// Package pgdump proves dumps and their restore on real servers.
package pgdump
