package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// sumsFile is what sha256sum --check reads, and minisign signs.
const sumsFile = "SHA256SUMS"

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
