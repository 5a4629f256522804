package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"holdfast/internal/api"
)

// trouble is what an error page says.
type trouble struct {
	What string // what happened, and why
	Next string // what to do about it
	// Command does it on the command line.
	Command string
	// To is a page that helps, ToName what it is called.
	To, ToName string
}

// errorPage tells what happened and what to do next.
func (s *site) errorPage(r *http.Request, err error) *page {
	p := &page{Template: "error.html"}
	t := trouble{What: reason(err)}
	var elsewhere *api.HereError
	switch {
	case errors.As(err, &elsewhere):
		p.Status, p.Title = http.StatusConflict, "Not from here"
		t.What, t.Next, t.Command = elsewhere.Why, "This command does it where holdfast runs:", shellLine(elsewhere.Command)
	case errors.Is(err, api.ErrForeign):
		p.Status, p.Title = http.StatusForbidden, "From another site"
		t.Next = "Log in on the page of this service itself. A proxy before it has to pass on the name that it was asked under (the header Host)."
		t.To, t.ToName = "/login", "Log in"
	case errors.Is(err, api.ErrNotFound):
		p.Status, p.Title = http.StatusNotFound, "Not found"
		t.Next = "It may have been removed or renamed. Go back, or look at all plans."
	case errors.Is(err, api.ErrInvalid):
		p.Status, p.Title = http.StatusBadRequest, "That does not work"
		t.Next = "Go back, change it and try again. Nothing was done."
	case errors.Is(err, api.ErrConflict):
		p.Status, p.Title = http.StatusConflict, "Not as things are now"
		t.Next = "Go back and look at it again: it may have changed meanwhile. Nothing was done."
	case errors.Is(err, api.ErrUnavailable):
		p.Status, p.Title = http.StatusServiceUnavailable, "A repository does not answer"
		t.Next = "Look whether its machine and the network are up, then load this page again. Backups that were made are not harmed by it."
		t.To, t.ToName = "/repositories", "Repositories"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		p.Status, p.Title = http.StatusServiceUnavailable, "It took too long"
		t.Next = "The machine may be very busy. Load this page again."
	default:
		s.Log.Error("page failed", "path", r.URL.Path, "error", err)
		p.Status, p.Title = http.StatusInternalServerError, "Something failed here"
		t.Next = "Load the page again. If it stays so, the log of the service tells more: journalctl -u holdfast."
	}
	p.Data = t
	return p
}

// refused shows what the guard refused. It asks nothing of the request: it may
// be anybody's, and its body may be anything.
func (s *site) refused(w http.ResponseWriter, r *http.Request, p *api.Problem) {
	t := trouble{What: p.Detail + "."}
	switch p.Status {
	case http.StatusMisdirectedRequest:
		t.Next = "Ask for the address of the machine, or have its admin add the name to service.hosts in holdfast.yaml."
	case http.StatusTooManyRequests:
		t.Next = "Wait " + w.Header().Get("Retry-After") + " seconds, then load the page again."
	case http.StatusForbidden:
		t.Next = "Nothing was done. Go back, load the page again, and send the form from there."
	case http.StatusRequestEntityTooLarge:
		t.Next = "Nothing was done. Go back and send less."
	case http.StatusUnauthorized:
		t.Next, t.To, t.ToName = "Log in with a token that is good.", "/login", "Log in"
	default:
		t.Next = "Go back, and load the page again."
	}
	t.What = strings.ToUpper(t.What[:1]) + t.What[1:]
	s.render(w, r, &page{Status: p.Status, Title: strings.ToUpper(p.Title[:1]) + p.Title[1:], Template: "error.html", Data: t})
}

func (s *site) noSuchPage(*http.Request) (*page, error) {
	return &page{Status: http.StatusNotFound, Title: "No such page", Template: "error.html", Data: trouble{
		What: "There is no page of that name.", Next: "Check the address, or start from the overview.",
	}}, nil
}

// shellLine writes a command so that a shell reads the same arguments.
func shellLine(args []string) string {
	quoted := make([]string, len(args))
	for k, arg := range args {
		quoted[k] = shellWord(arg)
	}
	return strings.Join(quoted, " ")
}

func shellWord(s string) string {
	plain := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-_./:=@%+,", c)
	}
	switch {
	case s != "" && strings.IndexFunc(s, func(c rune) bool { return !plain(c) }) < 0:
		return s
	case api.PathText(s) != strings.ReplaceAll(s, `\`, `\\`):
		// There are bytes that a page cannot show or nobody could see.
		return "$'" + strings.ReplaceAll(api.PathText(s), "'", `\'`) + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
