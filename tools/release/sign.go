package main

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
)

// sumsFile is what sha256sum --check reads, and minisign signs.
const sumsFile = "SHA256SUMS"

// checkMaintainer looks at who answers for what is made, before anything is.
// What is signed is meant for others, who must know whom to write to.
func (r *release) checkMaintainer() error {
	who, err := mail.ParseAddress(r.maintainer)
	if err != nil || who.Name == "" {
		return fmt.Errorf("maintainer %q: write NAME <ADDRESS>", r.maintainer)
	}
	if r.key != "" && r.maintainer == maintainer {
		return errors.New(`a release that is signed names who answers for it, and nobody reads mail to the usual name: give -maintainer "NAME <ADDRESS>" (make release MAINTAINER=...)`)
	}
	return nil
}

// sign signs the file of checksums, and with it all that is made. minisign asks
// at the terminal for the password of a key that has one. What it says besides is
// signed, too: whoever hands on an old release as a new one is found out.
func (r *release) sign(ctx context.Context) error {
	if r.key == "" {
		return nil
	}
	sums := filepath.Join(r.folder, sumsFile)
	cmd := exec.CommandContext(ctx, "minisign", "-S", "-s", r.key, "-m", sums, "-t", "holdfast "+r.version)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, r.out, os.Stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("sign %s: %w; install minisign, or leave -sign-key out", sumsFile, err)
	}
	if err != nil {
		return fmt.Errorf("sign %s with %s: %w", sumsFile, r.key, err)
	}
	fmt.Fprintln(r.out, sums+".minisig")
	return nil
}
