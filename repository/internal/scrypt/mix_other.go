//go:build !amd64 || !gc || purego

package scrypt

// waysToMix tells that there are none here.
func waysToMix() []mixer { return nil }
