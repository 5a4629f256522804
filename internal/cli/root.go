// Package cli is the command line of holdfast: one file for each command,
// which turns flags into a call and the result into words or JSON.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"holdfast/internal/app/service"
	"holdfast/storage/confirm"
)

// Main runs the command line of this process and returns its exit code.
func Main() int {
	debug.SetGCPercent(gcPercent)
	ctx, stop := interruptible()
	defer stop()
	surviveClosedOutput()
	return Run(ctx, os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}

// interruptible returns a context that ends at the first interrupt. A second
// one ends the process at once, as if nothing had been caught.
func interruptible() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run runs one command line and returns its exit code.
func Run(ctx context.Context, args []string, s Streams) int {
	if len(args) == 1 && args[0] == "--version" { // as most programs have it
		args = []string{"version"}
	}
	c := &command{streams: s, reporter: service.NewReporter()}
	root := c.root(args)
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := unknownCommand(root, args)
	if err != nil {
		c.global.json = slices.Contains(args, "--json") // no flag is read
	} else {
		err = root.ExecuteContext(ctx)
	}
	if c.stopProfiles != nil {
		err = errors.Join(err, c.stopProfiles())
	}
	code := c.exit(ctx, err)
	if err := c.reporter.End(code, c.failure); err != nil {
		c.ui.warn("report", "", err)
	}
	if c.endTrace != nil {
		c.endTrace(code)
	}
	return code
}

// unknownCommand refuses a word that is no command, and one that is none of a
// group, such as `plan shw`, for which help alone would be printed, as if all
// were well.
func unknownCommand(root *cobra.Command, args []string) error {
	group, rest, err := root.Find(args)
	if err != nil { // cobra has no error types
		if word, ok := strings.CutPrefix(err.Error(), `unknown command "`); ok {
			word, _, _ = strings.Cut(word, `"`)
			if slices.Contains(cobras, word) {
				return nil
			}
			return noCommandOf(root, word)
		}
		return nil //nolint:nilerr // it comes again when the command is run
	}
	if group == root || group.Runnable() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return nil
	}
	return noCommandOf(group, rest[0])
}

// cobras are commands that cobra adds when it begins: what shells call to complete
// a line is among them.
var cobras = []string{"help", "completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}

func noCommandOf(group *cobra.Command, word string) error {
	if advice := resticAdvice(word, ""); advice != "" {
		return fmt.Errorf("%q is a command of restic's that holdfast does not have: %s", word, advice)
	}
	group.SuggestionsMinimumDistance = 2
	hint := fmt.Sprintf("see `%s --help`", group.CommandPath())
	if near := group.SuggestionsFor(word); len(near) > 0 {
		hint = fmt.Sprintf("did you mean `%s %s`?", group.CommandPath(), near[0])
	}
	return fmt.Errorf("%q is no command of `%s`; %s", word, group.CommandPath(), hint)
}

// command is the state that one command line builds up: global flags and
// where to print.
type command struct {
	streams Streams
	global  globalFlags
	ui      *ui
	// confirming, if set, is how stores that are opened make sure of what is
	// put into them.
	confirming *confirm.How
	// reporter tells the service that started this process, if one did, what
	// became of it; failure is why the command failed.
	reporter *service.Reporter
	failure  string

	stopProfiles func() error
	endTrace     func(code int)
}

const rootLong = `holdfast backs up, proves that backups come back, and recovers from disasters.

Repositories are standard restic repositories (format v2): restic can read,
check and write what holdfast writes, at the same time.

Exit codes:
  0    success
  1    failed
  3    some of the source could not be read; the snapshot was made all the same
  10   there is no repository at the given place
  11   the repository is locked by another program
  12   wrong password
  130  interrupted`

// root builds the command tree, as far as the arguments need it.
func (c *command) root(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "holdfast",
		Short:         "Backup and disaster recovery that proves itself",
		Long:          rootLong,
		Example:       "  holdfast protect ~/Documents\n  holdfast snapshots\n  holdfast restore latest --target /tmp/back",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) (err error) {
			c.ui = newUI(c.streams, c.global)
			c.ui.reporter = c.reporter
			if !c.global.asOf.IsZero() { // the past takes no locks, and the cache knows the present
				c.global.noLock, c.global.noCache = true, true
			}
			c.beginTrace(cmd)
			c.stopProfiles, err = c.global.startProfiles()
			return err
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetFlagErrorFunc(adviseFlag)
	c.global.register(root.PersistentFlags())
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: string(g), Title: string(g)})
	}
	for _, w := range wanted(args) {
		cmd := w.make(c)
		cmd.GroupID = string(w.group)
		root.AddCommand(cmd)
	}
	return root
}

// group is a part of the help of all commands.
type group string

const (
	groupRestore group = "Back up and restore:"
	groupLook    group = "Look into repositories:"
	groupProve   group = "Know that it comes back:"
	groupKeep    group = "Keep and remove:"
	groupPlace   group = "Repositories and their places:"
	groupService group = "Plans and the service:"
	groupNone    group = ""
)

// groups are those with a name, in the order of the help.
var groups = []group{groupRestore, groupLook, groupProve, groupKeep, groupPlace, groupService}

// entry is a command that can be made.
type entry struct {
	group group
	name  string
	make  func(*command) *cobra.Command
}

// commands are all commands, by group and name.
var commands = []entry{
	{groupRestore, "protect", newProtect},
	{groupRestore, "init", newInit},
	{groupRestore, "backup", newBackup},
	{groupRestore, "restore", newRestore},
	{groupRestore, "archive", newArchive},
	{groupRestore, "copy", newCopy},
	{groupRestore, "kit", newKit},
	{groupLook, "snapshots", newSnapshots},
	{groupLook, "ls", newLs},
	{groupLook, "find", newFind},
	{groupLook, "diff", newDiff},
	{groupLook, "cat", newCat},
	{groupLook, "list", newList},
	{groupLook, "dump", newDump},
	{groupLook, "mount", newMount},
	{groupLook, "stats", newStats},
	{groupProve, "status", newStatus},
	{groupProve, "check", newCheck},
	{groupProve, "repair", newRepair},
	{groupProve, "recover", newRecover},
	{groupProve, "verify", newVerify},
	{groupProve, "evidence", newEvidence},
	{groupKeep, "forget", newForget},
	{groupKeep, "prune", newPrune},
	{groupKeep, "hold", newHold},
	{groupKeep, "tag", newTag},
	{groupKeep, "rewrite", newRewrite},
	{groupPlace, "key", newKey},
	{groupPlace, "unlock", newUnlock},
	{groupPlace, "storage", newStorage},
	{groupPlace, "rest-server", newRestServer},
	{groupService, "plan", newPlan},
	{groupService, "serve", newServe},
	{groupService, "service", newService},
	{groupService, "token", newToken},
	{groupService, "notify", newNotify},
	{groupService, "run", newRun},
	{groupService, "wal", newWAL},
	{groupNone, "sandbox", newSandbox},
	{groupNone, "version", newVersion},
}

// wanted returns the commands that a command line may mean. Databases start holdfast for each file of their log: the others are not
// made. Where flags come first, it is any of those that are named: the value of
// a flag may be the name of one, too.
func wanted(args []string) []entry {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		args = args[:1]
	}
	var named []entry
	for _, c := range commands {
		if slices.Contains(args, c.name) {
			named = append(named, c)
		}
	}
	if len(named) == 0 || slices.Contains(args, "--help") || slices.Contains(args, "-h") {
		return commands
	}
	return named
}

// Tree returns the command tree, for generating documentation.
func Tree() *cobra.Command { return (&command{}).root(nil) }

// noArgs refuses arguments and says so in words.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("`%s` takes no arguments, but was given %q; see `%s --help`", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}
