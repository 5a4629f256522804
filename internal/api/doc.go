// Package api is the service seen from outside: what it tells about plans,
// runs, repositories and snapshots, and what it can be asked to do, as JSON
// over HTTP and for the dashboard.
//
// Backend is the whole of it without HTTP; the service implements it. Guard
// decides who asks and what they may. Server is the HTTP API, described by its
// own OpenAPI document.
package api
