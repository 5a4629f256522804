package api

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
)

// Errors of who is known, and may not.
var (
	// ErrForbidden says that whoever asks may not.
	ErrForbidden = errors.New("not allowed")
	// ErrForeign says that a request of a session comes from another page than
	// one of this service, or from one that is out of date.
	ErrForeign = errors.New("the request does not come from a page of this session; load the page again")
)

// csrfField and csrfHeader carry what checkCSRF asks for.
const (
	csrfField  = "csrf"
	csrfHeader = "X-CSRF-Token"
)

// Require lets a handler serve those who have a role, or one that may more, and
// answers others with a problem. It belongs inside of Middleware.
func (g *Guard) Require(role Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := may(role, r); err != nil {
			refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func may(role Role, r *http.Request) error {
	p, known := PrincipalOf(r.Context())
	switch {
	case role == Nobody:
		return nil
	case !known:
		return ErrUnauthenticated
	case p.Role < role:
		return fmt.Errorf("%w: token %s has the role %s, and this takes %s; ask an admin for another token", ErrForbidden, p.Name, p.Role, role)
	}
	return nil
}

// checkCSRF returns ErrForeign for a request of a session that may change
// something and does not carry the session's token, Principal.CSRF, in the form
// field csrf or the header X-CSRF-Token, or comes from another origin. Others
// cannot be forged: a token is sent by nobody who does not know it.
func (g *Guard) checkCSRF(r *http.Request, p Principal) error {
	if isSafe(r.Method) || p.CSRF == "" {
		return nil
	}
	if err := g.origin.Check(r); err != nil {
		return ErrForeign
	}
	given := r.Header.Get(csrfHeader)
	if given == "" {
		given = r.PostFormValue(csrfField)
	}
	if subtle.ConstantTimeCompare([]byte(given), []byte(p.CSRF)) != 1 {
		return ErrForeign
	}
	return nil
}
