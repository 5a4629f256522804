// Package serve proves `holdfast serve` from outside: real services with real
// runs, which are stopped, killed and reconfigured.
package serve
