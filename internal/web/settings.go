package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/api"
)

// auditShown is how many acts the page of the audit log shows.
const auditShown = 200

// settingsData is what the page of settings shows.
type settingsData struct {
	Service *api.Service
	Tokens  []api.TokenInfo
	// New is a token that was made just now: it is shown once.
	New    string
	Of     api.TokenInfo
	Roles  []api.Role
	Lasts  []choice
	Wrong  string // why no token was made
	Name   string
	Chosen string
}

// choice is an entry of a list to choose from.
type choice struct{ Value, Name string }

func (s *site) settings(r *http.Request) (*page, error) {
	d := &settingsData{
		Roles: []api.Role{api.RoleViewer, api.RoleOperator, api.RoleAdmin},
		Lasts: []choice{{"90", "90 days"}, {"30", "30 days"}, {"365", "a year"}, {"0", "until it is revoked"}},
	}
	var err error
	if d.Service, err = s.Backend.Service(r.Context()); err != nil {
		return nil, err
	}
	if me, _ := api.PrincipalOf(r.Context()); me.Role >= api.RoleAdmin {
		if d.Tokens, err = s.Guard.AllTokens(); err != nil {
			return nil, err
		}
	}
	return &page{Title: "Settings", Area: "/settings", Template: "settings.html", Data: d}, nil
}

// createToken makes a token and shows it on the answer itself: it must not
// stand in a URL or a cookie.
func (s *site) createToken(r *http.Request) (*page, error) {
	name := strings.TrimSpace(r.PostFormValue("name"))
	role, err := api.ParseRole(r.PostFormValue("role"))
	if err != nil {
		return nil, err
	}
	days, err := strconv.Atoi(r.PostFormValue("days"))
	if err != nil || days < 0 || days > 3650 {
		return nil, fmt.Errorf("%w: a token lasts up to 3650 days, or 0 for without end", api.ErrInvalid)
	}
	api.Note(r.Context(), "token", name)
	secret, info, err := s.Guard.CreateToken(r.Context(), name, role, time.Duration(days)*24*time.Hour)
	if err != nil {
		return nil, err
	}
	p, err := s.settings(r)
	if err != nil {
		return nil, err
	}
	d := p.Data.(*settingsData) //nolint:forcetypeassert // settings made it
	d.New, d.Of = secret, info
	return p, nil
}

// revokeData is what is asked before a token is revoked.
type revokeData struct {
	api.TokenInfo

	Own bool
}

func (s *site) revokePage(r *http.Request) (*page, error) {
	all, err := s.Guard.AllTokens()
	if err != nil {
		return nil, err
	}
	me, _ := api.PrincipalOf(r.Context())
	for _, t := range all {
		if t.Name == r.PathValue("name") {
			return &page{Title: "Revoke the token " + t.Name + "?", Area: "/settings", Template: "revoke.html", Data: revokeData{t, t.Name == me.Name}}, nil
		}
	}
	return nil, fmt.Errorf("token %s: %w", r.PathValue("name"), api.ErrNotFound)
}

func (s *site) revoke(r *http.Request) (*done, error) {
	name := r.PathValue("name")
	api.Note(r.Context(), "token", name)
	if err := s.Guard.RevokeToken(r.Context(), name); err != nil {
		return nil, err
	}
	return &done{To: "/settings", Said: "The token " + name + " is revoked. Whoever used it is logged out."}, nil
}

// audit shows who did what.
func (s *site) audit(*http.Request) (*page, error) {
	entries, err := s.Guard.Audit(time.Time{}, auditShown)
	if err != nil {
		return nil, err
	}
	return &page{Title: "Who did what", Area: "/settings", Template: "audit.html", Data: entries}, nil
}

func (s *site) testChannel(r *http.Request) (*done, error) {
	channel := r.PostFormValue("channel")
	api.Note(r.Context(), "channel", channel)
	if err := s.Backend.TestNotify(r.Context(), channel); err != nil {
		return nil, err
	}
	return &done{To: "/settings", Said: "A test message was sent to " + channel + ". Look whether it arrived."}, nil
}

func (s *site) checkPlans(r *http.Request) (*done, error) {
	run, err := s.Backend.CheckPlans(r.Context())
	if err != nil {
		return nil, err
	}
	return &done{To: runURL(run), Said: "The plans are being checked: places, databases, programs and clocks."}, nil
}
