// Package browser tests the dashboard as people use it: a real browser in
// front of a real service with real repositories.
//
// All tests share one browser; each has a window of its own, with its own
// cookies.
package browser
