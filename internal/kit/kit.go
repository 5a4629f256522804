// Package kit writes recovery kits: one page for each repository, to be
// printed and kept away from the machine. With the page, a copy of the
// repository and the password, somebody who never heard of holdfast gets
// everything back, with holdfast or with restic.
//
// The page holds no secret unless it is asked for. A Kit with the same
// content always gives the same text, so that a kit that is up to date is
// not written again.
package kit

import (
	"fmt"
	"strings"
)

// Kit is what the page says.
type Kit struct {
	// Host is the machine that was backed up.
	Host string
	// Paths are what is protected, as far as the kit knows.
	Paths []string
	// Name and Location are the repository's name in holdfast.yaml and its
	// place; ResticLocation is the place as restic writes it.
	Name, Location, ResticLocation string
	// RepositoryID and KeyID tell this repository and its key from others.
	RepositoryID, KeyID string
	// PasswordPlace says where the password lies, PasswordFile is the file
	// if it lies in one.
	PasswordPlace, PasswordFile string
	// Password is the password itself, or "" to leave a line for it.
	Password string
}

// Text returns the page.
func (k Kit) Text() string {
	return fmt.Sprintf(page,
		k.Host, strings.Join(k.Paths, "\n                "), k.Location, k.Name, k.RepositoryID, k.KeyID, k.password(),
		quote(k.Location), quote(k.ResticLocation), k.passwordFile())
}

// password returns the password, or a line to write it on.
func (k Kit) password() string {
	if k.Password != "" {
		return k.Password
	}
	return fmt.Sprintf(passwordLine, k.PasswordPlace)
}

func (k Kit) passwordFile() string {
	if k.PasswordFile == "" {
		return ""
	}
	return ", or take it from its file with\n--password-file " + quote(k.PasswordFile)
}

// quote writes an argument so that a shell takes it for one.
func quote(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@+,="
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

const passwordLine = `________________________________________________
                Write it down here. On the machine it is in the
                %s;
                "holdfast protect --with-password" prints it on this page.`

const page = `HOLDFAST RECOVERY KIT

Print this page and keep it away from the machine it is about.
Whoever has the repository and the password can read everything in it;
without the password nobody can, and nothing comes back.

  machine       %s
  protected     %s
  repository    %s
  its name      %s
  its ID        %s
  its key       %s
  password      %s

TO GET EVERYTHING BACK WITH HOLDFAST

  holdfast -r %[8]s snapshots
  holdfast -r %[8]s restore latest --target /tmp/restored

WITH RESTIC (0.14 or newer, https://restic.net), SHOULD HOLDFAST BE GONE

  restic -r %[9]s snapshots
  restic -r %[9]s restore latest --target /tmp/restored

Both ask for the password%[10]s.
The repository may lie at another place by then, such as a disk that was
carried elsewhere: give that place to -r. A copy of the whole folder of the
repository is as good as the repository.
`
