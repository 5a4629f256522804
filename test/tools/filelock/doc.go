// Package filelock keeps processes that share a folder out of each other's way.
package filelock
