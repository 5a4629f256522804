// Package startup holds holdfast to what starting it may cost: it becomes a
// command that servers call for every file of their log.
package startup
