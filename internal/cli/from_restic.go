package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// resticsOwn is a command or a flag of restic's that holdfast does not have.
type resticsOwn struct {
	command string // "" for flags of all commands
	flag    string // "" for the command itself
	instead string
}

// onlyInRestic is what people who come from restic will look for in vain, and
// what there is instead. docs/guides/from-restic.md holds the same table.
var onlyInRestic = []resticsOwn{
	{"cache", "", "the cache looks after itself: what belongs to a repository that nobody has opened for 30 days is removed; all of it may be deleted at any time (`~/.cache/holdfast`, or what `--cache-dir` names)"},
	{"features", "", "there are no features to be switched on or off"},
	{"generate", "", "`holdfast completion` prints completions for shells; man pages are in the packages, and in docs/man"},
	{"migrate", "", "repositories of version 1 can be read; `restic migrate upgrade_repo_v2` makes version 2 of one"},
	{"options", "", "what `-o` can set is in the guides: S3, Azure and Google Cloud, SFTP and REST servers"},
	{"rebuild-index", "", "it is called `holdfast repair index`, in restic too"},
	{"self-update", "", "update it the way it was installed"},
	{"", "--cleanup-cache", "leave it out: old caches are removed in any case"},
	{"", "--compression", "this command stores nothing; backup, copy, prune, forget, recover and rewrite have the flag"},
	{"", "--pack-size", "this command stores no packs; backup, copy, prune, forget, recover and rewrite have the flag"},
	{"", "--http-user-agent", "leave it out: servers are told that it is holdfast"},
	{"", "--no-extra-verify", "leave it out: everything is verified before it is stored, always"},
	{"", "--stuck-request-timeout", "a request on which nothing moves for two minutes is tried again; for S3 `-o s3.stall=5m` says when"},
	{"backup", "--exclude-cloud-files", "files that lie in a cloud are read like any other; leave them out with `--exclude`"},
	{"backup", "--hostname", "it is called `--host`, in restic too"},
	{"backup", "--use-fs-snapshot", "there are no shadow copies (VSS) of Windows; on Linux back up a snapshot of the file system that a hook of the plan makes"},
	{"check", "--host", "check looks at the whole repository: what one snapshot needs others share"},
	{"check", "--path", "check looks at the whole repository: what one snapshot needs others share"},
	{"check", "--tag", "check looks at the whole repository: what one snapshot needs others share"},
	{"check", "--check-unused", "leave it out, as in restic: what no snapshot needs is told in any case"},
	{"forget", "--hostname", "it is called `--host`, in restic too"},
	{"migrate", "--force", "repositories are not migrated; see `migrate`"},
	{"mount", "--snapshot-template", "it is called `--time-template`, in restic too"},
	{"prune", "--unsafe-recover-no-free-space", "`--max-repack-size 0` rewrites nothing and wants room for new index files alone; no index is ever deleted before its successor is stored"},
	{"snapshots", "--last", "it is called `--latest 1`, in restic too"},
}

// adviseFlag says what there is in the place of a flag of restic's.
func adviseFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	if advice := resticAdvice(cmd.Name(), "--"+unknown.GetSpecifiedName()); advice != "" {
		return fmt.Errorf("--%s is a flag of restic's that holdfast does not have: %s", unknown.GetSpecifiedName(), advice)
	}
	return err
}

// resticAdvice says what there is in the place of a command or flag of
// restic's, "" for everything else.
func resticAdvice(command, flag string) string {
	for _, own := range onlyInRestic {
		if own.flag == flag && (own.command == command || own.command == "" && flag != "") {
			return own.instead
		}
	}
	return ""
}

// name is how people write it.
func (o resticsOwn) name() string { return strings.TrimSpace(o.command + " " + o.flag) }
