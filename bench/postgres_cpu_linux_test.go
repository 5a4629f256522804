package main

import "testing"

func TestParseStat(t *testing.T) {
	const stat = "4711 (a (b) c) S 12 4711 4711 0 -1 4194560 100 200 0 0 150 50 300 25 20 0 1 0 5555 1000 10"
	p, ok := parseStat(stat)
	if want := (process{pid: "4711", parent: "12", own: 2, children: 3.25}); !ok || p != want {
		t.Errorf("parseStat = %+v, %t; want %+v", p, ok, want)
	}
	if _, ok := parseStat("4711 (a"); ok {
		t.Error("a line cut short was read")
	}
}
