package cli

import (
	"errors"

	"holdfast/internal/app"
)

// warnNoPassword warns of a repository without a password, each time.
func (c *command) warnNoPassword() {
	c.ui.warn("insecure", "", errors.New("the repository opens without a password: whoever can read its files can read all that is backed up there"))
}

// trustsAny tells whether whoever answers is taken for the server of a place,
// and warns if so.
func (c *command) trustsAny(p place) bool {
	kind, err := app.KindOf(p.url)
	if err != nil || !kind.SpeaksTLS() || !c.global.anyServer {
		return false
	}
	c.ui.warn("insecure", "", errors.New("--insecure-tls: certificates are not checked; whoever sits on the way can read the credentials and change what is sent; `--cacert FILE` names a certificate to trust instead"))
	return true
}
