// Package wan puts what lies between a program and a distant store before a
// server on this machine.
//
// Link is a line: it delays what passes and lets only so many bytes through
// each second, all connections together. Proxy is an HTTP server before the
// real one: it counts requests by method, and answers a share of them as
// services, load balancers and broken middle boxes do. Both can be stacked:
// a program talks to a Link before a Proxy before the server.
package wan
