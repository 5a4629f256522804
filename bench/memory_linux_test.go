package main

import "testing"

func TestFreeMemoryIsTold(t *testing.T) {
	if free := freeMemory(); free <= 0 || free > 1<<50 {
		t.Errorf("%d bytes of free memory", free)
	}
}
