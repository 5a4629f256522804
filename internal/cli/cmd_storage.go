package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/cost"
	"holdfast/internal/lifecycle"
	"holdfast/storage"
)

func newStorage(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "storage",
		Short: "Set up and check the bucket that a repository lies in",
		Long: `Set up and check the bucket that a repository lies in: versions, retentions,
lifecycle rules, storage classes, and who may do what.

PLACE is the place of a repository or its name in holdfast.yaml, where
"immutable" and "tiers" say what is wanted. It may also be the place of a plan's
archives, which --archives names by the plan.`,
		Example: `  holdfast storage check offsite
  holdfast storage plan offsite
  holdfast storage apply offsite
  holdfast storage apply --archives shop`,
	}
	for _, make := range []func(*command) *cobra.Command{
		newStoragePlan, newStorageApply, newStorageCheck, newStoragePolicy, newStorageUndelete, newStorageExtend, newStorageMark,
	} {
		cmd.AddCommand(make(c))
	}
	return cmd
}

// onePlace takes the place to work on as the only argument, or from the usual
// flags.
func (c *command) onePlace(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("`%s` takes one place, but was given %d arguments", cmd.CommandPath(), len(args))
	}
	if len(args) == 1 {
		if c.global.repo != "" && c.global.repo != args[0] {
			return errors.New("name the place as an argument or with -r, not both")
		}
		c.global.repo = args[0]
	}
	return nil
}

// wishFlags say what is wanted of a bucket, beside what holdfast.yaml says.
type wishFlags struct {
	coldAfter   config.Duration
	coldClass   string
	keepDeleted config.Duration
	archives    string // plan
}

func (f *wishFlags) register(fl *pflag.FlagSet) {
	fl.Var(durationFlag{&f.keepDeleted}, "keep-deleted", "keep what was deleted or replaced for this `time` (default: 30d, or as long as objects are retained)")
	fl.Lookup("keep-deleted").DefValue = ""
	fl.StringVar(&f.coldClass, "cold-class", "", "move packs of file content to this storage `class` (default: tiers.cold of holdfast.yaml)")
	fl.Var(durationFlag{&f.coldAfter}, "cold-after", "move them at this `age`, such as 30d")
	fl.Lookup("cold-after").DefValue = ""
	fl.StringVar(&f.archives, "archives", "", "the place of the archives of this `plan`, and not of a repository")
}

// durationFlag is a duration of days, as in holdfast.yaml.
type durationFlag struct{ *config.Duration }

func (f durationFlag) String() string {
	if f.Duration == nil || *f.Duration == 0 {
		return ""
	}
	return f.Duration.String()
}

func (f durationFlag) Set(s string) error { return f.UnmarshalText([]byte(s)) }
func (f durationFlag) Type() string       { return "time" }

// wishes puts together what is wanted of the bucket of a place.
func (f *wishFlags) wishes(p place, kind app.Kind) (w lifecycle.Wishes, err error) {
	if r := p.configured; r != nil {
		if r.Immutable != nil {
			policy := r.Immutable.Policy()
			w.Immutable = storage.DefaultRetention{Mode: policy.Mode, For: policy.For}
		}
		if r.Tiers != nil && r.Tiers.Cold != nil {
			w.Cold = lifecycle.Cold{After: time.Duration(r.Tiers.Cold.After), Class: r.Tiers.Cold.Class}
		}
	}
	if f.coldClass != "" {
		w.Cold = lifecycle.Cold{After: time.Duration(f.coldAfter), Class: f.coldClass}
	} else if f.coldAfter != 0 {
		w.Cold.After = time.Duration(f.coldAfter)
	}
	const day = 24 * time.Hour
	if w.Cold.After%day != 0 || time.Duration(f.keepDeleted)%day != 0 {
		return w, errors.New("services count in whole days: write --cold-after and --keep-deleted like 30d")
	}
	w.KeepDeleted = time.Duration(f.keepDeleted)
	switch kind { // what each service has
	case "azure":
		w.SoftDelete, w.NoUploads, w.NoMarkers = w.Immutable.Mode == "", true, true
	case "gs":
		w.NoMarkers = true
	}
	return w, nil
}

// bucket is an open bucket and what is wanted of it.
type bucket struct {
	app.Bucket
	store   storage.Store
	managed storage.Managed
	wishes  lifecycle.Wishes
	// archives is set for a place that is to hold archives alone.
	archives *archivesPlace
}

// openBucket opens the bucket of the place that the user means.
func (c *command) openBucket(ctx context.Context, f *wishFlags) (*bucket, error) {
	p, archives, err := c.bucketPlace(f)
	if err != nil {
		return nil, err
	}
	b, err := c.openBucketOf(ctx, p, f)
	if err != nil || archives == nil {
		return b, err
	}
	if err := archives.refuse(f); err != nil {
		return nil, errors.Join(err, storage.Close(b.store))
	}
	b.archives, b.wishes.Archives = archives, archives.age
	return b, nil
}

func (c *command) openBucketOf(ctx context.Context, p place, f *wishFlags) (b *bucket, err error) {
	b = new(bucket)
	if b.Bucket, err = app.BucketOf(p.url); err != nil {
		return nil, err
	}
	if b.wishes, err = f.wishes(p, b.Kind); err != nil {
		return nil, err
	}
	if b.store, err = c.openStore(ctx, p, false); err != nil {
		return nil, err
	}
	var ok bool
	if b.managed, ok = storage.As[storage.Managed](b.store); !ok {
		return nil, errors.Join(fmt.Errorf("places of kind %q have no settings", b.Kind), storage.Close(b.store))
	}
	return b, nil
}

// frozen tells which classes of a service cannot be read at once.
func frozen(b app.Bucket) func(class string) bool {
	prices := cost.BuiltIn()
	return func(class string) bool {
		for n := range prices.Services {
			if s := &prices.Services[n]; s.Kind == string(b.Kind) {
				if class, ok := s.Class(class); ok && class.ThawHours > 0 {
					return true
				}
			}
		}
		return false
	}
}
