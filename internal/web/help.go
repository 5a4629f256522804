package web

import "net/http"

// help lists the keys of the dashboard, for those without its dialog.
func (s *site) help(*http.Request) (*page, error) {
	return &page{Title: "Keys and help", Template: "help.html"}, nil
}
