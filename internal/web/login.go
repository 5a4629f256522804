package web

import "net/http"

// loginData is what the login page shows.
type loginData struct {
	Next  string
	Wrong string // why the last try failed
}

func (s *site) loginPage(r *http.Request) (*page, error) {
	return &page{Title: "Log in", Template: "login.html", Data: loginData{Next: localPath(r.URL.Query().Get("next"))}}, nil
}
