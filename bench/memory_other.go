//go:build !linux

package main

func useFreeMemory(int) {}
