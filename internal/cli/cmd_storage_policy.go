package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"holdfast/internal/app"
	"holdfast/internal/lifecycle"
)

func newStoragePolicy(c *command) *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "policy --role ROLE [flags] [PLACE]",
		Short: "Print the least that a role has to be allowed",
		Long: `Print a policy that allows a role what its work takes, and nothing else, in the
language of the service: a policy of S3, a custom role of Azure with the
condition of its assignment, or a custom role of Google Cloud with its bindings.

  backup    adds snapshots and reads; it deletes nothing but locks, so whoever
            steals its credentials destroys nothing: every command works but
            forget, prune and what else deletes
  restore   reads, earlier versions too; with --no-lock
  upkeep    backup that may delete: forget and prune
  admin     upkeep that sets the bucket up and brings back what was deleted`,
		Example: "  holdfast storage policy offsite --role backup > policy.json",
		Args:    c.onePlace,
		RunE:    func(*cobra.Command, []string) error { return c.runStoragePolicy(role) },
	}
	cmd.Flags().StringVar(&role, "role", "", "`role` backup, restore, upkeep or admin")
	var roles []cobra.Completion
	for _, r := range lifecycle.Roles() {
		roles = append(roles, string(r))
	}
	if err := cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(roles, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is there
	}
	return cmd
}

func (c *command) runStoragePolicy(name string) error {
	if name == "" {
		return errors.New("for whom? Name a role with --role: backup, restore, upkeep or admin")
	}
	role, err := lifecycle.ParseRole(name)
	if err != nil {
		return err
	}
	p, err := c.place()
	if err != nil {
		return err
	}
	b, err := app.BucketOf(p.url)
	if err != nil {
		return err
	}
	place := lifecycle.Place{Bucket: b.Name, Account: b.Account, Root: b.Root}
	if p.configured != nil && p.configured.Immutable != nil {
		place.Immutable = p.configured.Immutable.Policy().For
	}
	policyOf := map[app.Kind]func(lifecycle.Place, lifecycle.Role) ([]byte, error){
		"s3": lifecycle.S3Policy, "azure": lifecycle.AzurePolicy, "gs": lifecycle.GCSPolicy,
	}[b.Kind]
	text, err := policyOf(place, role)
	if err != nil {
		return err
	}
	_, err = c.streams.Out.Write(append(text, '\n'))
	return err
}
