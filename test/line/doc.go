// Package line runs holdfast, as it is shipped, over a long line to every kind
// of store, and holds it to how much of the time the line is busy.
//
// A run of a few seconds takes one store and little data. HOLDFAST_SOAK=1
// takes them all, and prints the table that docs/guides/copies.md shows; it
// wants a machine with nothing else to do.
package line
