// Package web is the dashboard: pages made on the server, which can be read
// without JavaScript, and one small script that keeps them current.
//
// It knows api.Backend and the guard, and nothing else of the service. A page
// is a view (request → page), an act changes something (request → where to go
// then); routes.go lists them all. Nothing is loaded from elsewhere, and no
// style or script stands in a page: the content security policy forbids it.
package web
