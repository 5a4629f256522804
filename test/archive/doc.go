// Package archive proves archives from outside: the plain tools open them,
// chains of them give the same tree as the snapshots they were made of, and
// what is damaged, missing or unfinished is said.
package archive
