// Package service starts `holdfast serve` for tests, as people start it, on a
// machine of its own: a folder with a configuration and a state.
package service
