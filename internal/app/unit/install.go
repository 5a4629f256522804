package unit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"holdfast/internal/config"
)

// Request asks for a unit.
type Request struct {
	Host Host
	Spec Spec
	// Config is the content of holdfast.yaml, nil if there is none yet.
	Config *config.Config
	// Now has the service started, or started again.
	Now bool
}

// installation is a plan that is being made.
type installation struct {
	Request
	Plan
	changed bool // the unit will be another one
}

// Install plans to install a unit, or to bring one up to date.
func Install(ctx context.Context, r Request) (*Plan, error) {
	in := &installation{Request: r, Plan: Plan{Steps: []Step{}, Notes: []string{}}}
	var folders []Folder
	if r.Config != nil {
		folders = Folders(r.Config)
		for _, f := range folders {
			in.Spec.folders = append(in.Spec.folders, f.Path)
		}
		in.Spec.SharedTemp = needsSharedTemp(r.Config, folders)
	} else {
		in.note("there is no %s yet: the dashboard writes it, or holdfast --config %s protect PATH", r.Spec.Config, r.Spec.Config)
	}
	if !r.Spec.Personal {
		if err := in.planUser(ctx, folders); err != nil {
			return nil, err
		}
	}
	if err := in.planUnit(); err != nil {
		return nil, err
	}
	if err := in.planStart(ctx); err != nil {
		return nil, err
	}
	in.tellOfSecrets()
	return &in.Plan, nil
}

// planUser makes the user, and gives it what it has to write to.
func (in *installation) planUser(ctx context.Context, folders []Folder) error {
	user := in.Spec.User
	if user == superuser {
		return nil
	}
	_, found, err := in.Host.lookup(ctx, user)
	if err != nil {
		return err
	}
	if !found {
		in.step(func(ctx context.Context) error { return in.addUser(ctx) }, "add the system user %s", user)
	}
	owner := func(ctx context.Context) (ids, error) {
		id, found, err := in.Host.lookup(ctx, user)
		if err == nil && !found {
			err = fmt.Errorf("there is no user %s", user)
		}
		return id, err
	}
	if err := in.planState(ctx, owner); err != nil {
		return err
	}
	for _, f := range folders {
		if err := in.planFolder(ctx, f, owner); err != nil {
			return err
		}
	}
	if in.Spec.ReadOnlyConfig {
		return nil
	}
	return in.planConfigFolder(ctx, owner)
}

// finder finds the user when it is there.
type finder func(context.Context) (ids, error)

func (in *installation) addUser(ctx context.Context) error {
	args := []string{"--system", "--user-group", "--home-dir", DefaultStateDir, "--no-create-home", "--shell", "/usr/sbin/nologin", in.Spec.User}
	if in.Host.Root != "" {
		args = append([]string{"--root", in.Host.Root}, args...)
	}
	_, err := run(ctx, "useradd", args...)
	return err
}

// planState gives the user a state that somebody else began. The usual place
// is made by systemd.
func (in *installation) planState(ctx context.Context, owner finder) error {
	if !exists(in.Host.path(in.Spec.StateDir)) {
		if in.Spec.StateDir != DefaultStateDir {
			in.planMaking(in.Spec.StateDir, "the state", owner)
		}
		return nil
	}
	return in.planGiving(ctx, in.Spec.StateDir, "the state of the service", owner)
}

// planMaking makes a folder that belongs to the user.
func (in *installation) planMaking(path, what string, owner finder) {
	dir := in.Host.path(path)
	in.step(func(ctx context.Context) error {
		id, err := owner(ctx)
		if err == nil {
			err = os.MkdirAll(dir, 0o700)
		}
		if err == nil {
			err = os.Lchown(dir, id.uid, id.gid)
		}
		return err
	}, "make %s for %s, which belongs to %s", path, what, in.Spec.User)
}

// planFolder gives the user a folder that plans write to.
func (in *installation) planFolder(ctx context.Context, f Folder, owner finder) error {
	dir := in.Host.path(f.Path)
	switch {
	case !exists(dir) && f.Restores:
		in.planMaking(f.Path, f.For, owner)
		return nil
	case !exists(dir):
		in.note("%s (%s) is not there now. Is its disk mounted? Run this again when it is", f.Path, f.For)
		return nil
	case f.Repository && !looksLikeRepository(dir):
		in.note("%s (%s) is not a repository yet: make it with holdfast init, and run this again", f.Path, f.For)
		return nil
	case !f.Repository:
		return in.planScratch(ctx, f)
	}
	return in.planGiving(ctx, f.Path, f.For, owner)
}

// planScratch only tells of a folder that the user cannot write to: who else
// uses it is not known.
func (in *installation) planScratch(ctx context.Context, f Folder) error {
	id, found, err := in.Host.lookup(ctx, in.Spec.User)
	if err != nil || !found {
		return err
	}
	if may, err := may(in.Host.path(f.Path), id, writeFolder); err != nil || may {
		return err
	}
	in.note("%s (%s) cannot be written to by %s: chown %s %s", f.Path, f.For, in.Spec.User, in.Spec.User, f.Path)
	return nil
}

// looksLikeRepository tells whether a folder is a repository, or the log of
// one: nothing else is given away as a whole.
func looksLikeRepository(dir string) bool {
	return exists(filepath.Join(dir, "config")) && exists(filepath.Join(dir, "data")) || exists(filepath.Join(dir, "holdfast"))
}

func (in *installation) planGiving(ctx context.Context, path, what string, owner finder) error {
	id, found, err := in.Host.lookup(ctx, in.Spec.User)
	if err != nil {
		return err
	}
	if !found {
		id = ids{-1, -1}
	}
	foreign, err := countForeign(in.Host.path(path), id)
	if err != nil {
		return fmt.Errorf("look who %s belongs to: %w", path, err)
	}
	if foreign == 0 {
		return nil
	}
	in.step(func(ctx context.Context) error {
		id, err := owner(ctx)
		if err != nil {
			return err
		}
		return give(in.Host.path(path), id)
	}, "give %s (%s) to %s: %d files and folders", path, what, in.Spec.User, foreign)
	return nil
}

// The rights that are looked for.
const (
	writeFolder fs.FileMode = 0o3
	writeFile   fs.FileMode = 0o6
)

// planConfigFolder lets the user's group write where holdfast.yaml is, so that
// the dashboard can add plans.
func (in *installation) planConfigFolder(ctx context.Context, owner finder) error {
	folder := filepath.Dir(in.Spec.Config)
	dir := in.Host.path(folder)
	id, found, err := in.Host.lookup(ctx, in.Spec.User)
	if err != nil {
		return err
	}
	if found && exists(dir) {
		if may, err := mayEdit(in.Host.path(in.Spec.Config), id); err != nil || may {
			return err
		}
	}
	in.step(func(ctx context.Context) error {
		id, err := owner(ctx)
		if err != nil {
			return err
		}
		return letEdit(in.Host.path(in.Spec.Config), id)
	}, "let the group %s write to %s, so that plans can be added in the dashboard (--read-only-config leaves it)", in.Spec.Group, folder)
	return nil
}

// lockOf is the file by which those who edit holdfast.yaml wait for each other.
func lockOf(config string) string { return config + ".lock" }

// mayEdit tells whether a user can edit holdfast.yaml, which is replaced by a
// new one each time.
func mayEdit(config string, id ids) (bool, error) {
	if ok, err := may(filepath.Dir(config), id, writeFolder); err != nil || !ok {
		return false, err
	}
	ok, err := may(lockOf(config), id, writeFile)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return ok, err
}

func letEdit(config string, id ids) error {
	dir := filepath.Dir(config)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if err := errors.Join(os.Lchown(dir, -1, id.gid), os.Chmod(dir, 0o770)); err != nil { //nolint:gosec // its group is the service's
		return err
	}
	lock := lockOf(config)
	if !exists(lock) {
		return nil
	}
	return errors.Join(os.Lchown(lock, -1, id.gid), os.Chmod(lock, 0o660)) //nolint:gosec // see above
}

// planUnit writes the unit; where a package has one, what differs from it.
func (in *installation) planUnit() error {
	path, text, other := in.Host.UnitPath(), in.Spec.Text(), in.Host.DropInPath()
	if in.Host.packaged() != "" {
		base := Packaged()
		path, text, other = other, in.Spec.DropIn(&base), path
	}
	was, err := content(path)
	if err != nil {
		return err
	}
	if was != "" && !strings.HasPrefix(was, marker) {
		return fmt.Errorf("%s was not made by holdfast: move it away, or put what you need into a drop-in", path)
	}
	if text != "" {
		in.File, in.Text = path, text
	}
	in.changed = was != text
	switch {
	case text == "" && was != "":
		in.step(func(context.Context) error { return os.Remove(path) }, "remove %s, which says nothing that the package's unit does not", path)
	case was == "" && text != "":
		in.step(func(context.Context) error { return put(path, text) }, "write %s", path)
	case was != text:
		in.step(func(context.Context) error { return put(path, text) }, "replace %s", path)
	}
	return in.planOther(other)
}

// planOther removes what an installation of the other kind left: a unit that
// would hide that of the package, or a drop-in for a unit that is gone.
func (in *installation) planOther(path string) error {
	was, err := content(path)
	if err != nil || !strings.HasPrefix(was, marker) {
		return err
	}
	in.changed = true
	in.step(func(context.Context) error { return os.Remove(path) }, "remove %s of an earlier installation", path)
	return nil
}

// planStart has systemd know of the unit, and start it if that is wanted.
func (in *installation) planStart(ctx context.Context) error {
	host := in.Host
	if in.changed && host.Runs() {
		in.step(func(ctx context.Context) error {
			_, err := host.systemctl(ctx, "daemon-reload")
			return err
		}, "have systemd read it")
	}
	state, err := host.systemctl(ctx, "is-enabled", Name)
	if errors.Is(err, ErrNoSystemd) {
		return err
	}
	if strings.TrimSpace(state) != "enabled" {
		in.step(func(ctx context.Context) error {
			_, err := host.systemctl(ctx, "enable", Name)
			return err
		}, "have it started with %s", host.starter())
		if host.Personal {
			in.note("it runs while you are logged in, and always after: loginctl enable-linger")
		}
	}
	switch {
	case !host.Runs():
		in.note("systemd does not run here: the service begins when the system is started")
	case in.Now:
		in.planNow(ctx)
	case in.changed:
		in.note("start it, or start it again: systemctl restart holdfast")
	}
	return nil
}

func (in *installation) planNow(ctx context.Context) {
	host := in.Host
	state, _ := host.systemctl(ctx, "is-active", Name) //nolint:errcheck // it fails for what is not active
	switch {
	case strings.TrimSpace(state) != "active":
		in.step(func(ctx context.Context) error {
			_, err := host.systemctl(ctx, "start", Name)
			return err
		}, "start it")
	case in.changed:
		in.step(func(ctx context.Context) error {
			_, err := host.systemctl(ctx, "restart", Name)
			return err
		}, "start it again; runs that go on are told to end, and run again")
	}
}

// tellOfSecrets names what the service will not find in its environment.
func (in *installation) tellOfSecrets() {
	if in.Config == nil {
		return
	}
	if names := environment(in.Config); len(names) > 0 {
		in.note("holdfast.yaml takes secrets from the environment; the service has that of /etc/holdfast/environment: %s", strings.Join(names, ", "))
	}
}

// Uninstall plans to remove the unit. What was backed up, the state, the
// configuration and the user stay.
func Uninstall(ctx context.Context, host Host) (*Plan, error) {
	p := &Plan{Steps: []Step{}, Notes: []string{}}
	installed := false
	for _, path := range []string{host.UnitPath(), host.DropInPath()} {
		text, err := content(path)
		if err != nil {
			return nil, err
		}
		if text == "" {
			continue
		}
		if !strings.HasPrefix(text, marker) {
			p.note("%s stays: it was not made by holdfast", path)
			continue
		}
		installed = true
		if path == host.UnitPath() {
			p.planStop(ctx, host)
		}
		p.step(func(context.Context) error { return remove(path) }, "remove %s", path)
	}
	if installed && host.Runs() {
		p.step(func(ctx context.Context) error {
			_, err := host.systemctl(ctx, "daemon-reload")
			return err
		}, "have systemd forget it")
	}
	if packaged := host.packaged(); packaged != "" {
		p.note("%s belongs to a package: apt remove holdfast removes it", packaged)
	}
	if installed && host.Personal {
		p.note("repositories, holdfast.yaml, passwords and the state stay")
	} else if installed {
		p.note("repositories, holdfast.yaml, passwords, the state in %s and the user %s stay", DefaultStateDir, DefaultUser)
	}
	return p, nil
}

// planStop ends the service and keeps it from being started.
func (p *Plan) planStop(ctx context.Context, host Host) {
	if host.Runs() {
		state, _ := host.systemctl(ctx, "is-active", Name) //nolint:errcheck // it fails for what is not active
		if word := strings.TrimSpace(state); word == "active" || word == "activating" {
			p.step(func(ctx context.Context) error {
				_, err := host.systemctl(ctx, "stop", Name)
				return err
			}, "stop the service; its runs are told to end")
		}
	}
	p.step(func(ctx context.Context) error {
		_, err := host.systemctl(ctx, "disable", Name)
		return err
	}, "have it no longer started with %s", host.starter())
}

// remove removes a file, and its folder if nothing else is in it.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if dir := filepath.Dir(path); strings.HasSuffix(dir, ".d") {
		os.Remove(dir) //nolint:errcheck // it stays while others have something in it
	}
	return nil
}
