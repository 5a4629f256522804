//go:build !linux

package files

func mediumOf(string) medium { return unknown }
