package api

// ActRequest asks for something to be done: a pointer to one of the types whose
// names end with Act. What may destroy something is planned first, and carries
// the confirmation of the plan that was shown; the rest begins at once.
type ActRequest interface {
	// Confirmed is the confirmation that it carries, "" for none.
	Confirmed() string
	// about are what the audit log says of it: names and values in turn.
	about() []string
}

// ActPlan is what an act would do.
type ActPlan struct {
	// Effects are what would change; there are none where nothing would, and
	// then there is nothing to confirm.
	Effects  []Effect `json:"effects"`
	Warnings []string `json:"warnings,omitempty"`
	// Refused is why the service will not do it; Command is what does the same.
	Refused string   `json:"refused,omitempty"`
	Command []string `json:"command"`
	// Confirm is what the request must carry.
	Confirm string `json:"confirm,omitempty"`
}

// Effect is one thing that would change: Before and After are what it is and
// what it would be, in words.
type Effect struct {
	What   string `json:"what"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Planned are acts whose plan is shown first.
type Planned struct {
	// Confirm is that of the plan that was shown.
	Confirm string `json:"confirm,omitempty"`
}

// Confirmed implements ActRequest.
func (p Planned) Confirmed() string { return p.Confirm }

// AtOnce are acts that destroy nothing.
type AtOnce struct{}

// Confirmed implements ActRequest: there is nothing to confirm.
func (AtOnce) Confirmed() string { return "" }

// TagAct changes the tags of snapshots. One with other tags is a new snapshot,
// with a new ID, that takes the place of the old one.
type TagAct struct {
	Planned

	Repository string   `json:"repository"`
	Snapshots  []string `json:"snapshots"`
	Add        []string `json:"add,omitempty"`
	Remove     []string `json:"remove,omitempty"`
}

// UnlockAct removes the locks of programs that are certainly gone.
type UnlockAct struct {
	Planned

	Repository string `json:"repository"`
}

// PruneAct frees the space of what no snapshot needs.
type PruneAct struct {
	Planned

	Repository string `json:"repository"`
	// MaxUnused is how much of no use may stay, such as 5%, 10G, 0 or
	// unlimited; "" for the usual share.
	MaxUnused string `json:"max_unused,omitempty"`
}

// ArchiveAct writes a snapshot as an archive or, where only Plan is set, the
// newest snapshots of a plan, as holdfast.yaml says.
type ArchiveAct struct {
	Planned

	Plan       string `json:"plan,omitempty"`
	Repository string `json:"repository,omitempty"`
	Snapshot   string `json:"snapshot,omitempty"`
	// Place is one of Service.ArchivePlaces.
	Place string `json:"place,omitempty"`
	// Recipients are the public keys of those who may open it: age1...,
	// ssh-ed25519 ... or ssh-rsa ...
	Recipients []string `json:"recipients,omitempty"`
	// Since is the earlier archive of the place that the new one is relative
	// to, or latest; "" for a full one.
	Since string `json:"since,omitempty"`
	// Restart removes what an interrupted export of the same name left.
	Restart bool `json:"restart,omitempty"`
}

// StorageAct sets up the bucket of a repository as holdfast.yaml wants it.
type StorageAct struct {
	Planned

	Repository string `json:"repository"`
}

// CheckAct checks a repository, beside others who work in it.
type CheckAct struct {
	AtOnce

	Repository string `json:"repository"`
	// Read is how much of the data is read back: all, a part n/t, a percentage
	// or a size; "" for none.
	Read string `json:"read,omitempty"`
}

// VerifyAct tests a restore of a plan.
type VerifyAct struct {
	AtOnce

	Plan string `json:"plan"`
	// Source is the one that is tested, "" for all.
	Source string `json:"source,omitempty"`
	// Repository is restored from, "" for the next in turn.
	Repository string `json:"repository,omitempty"`
	// Point is newest, oldest, random, backup-end, a time or the ID of a
	// snapshot; "" for the next in turn.
	Point string `json:"point,omitempty"`
}

// ArchiveCheckAct reads archives back. Whether a key opens them is not looked
// at: no key comes here.
type ArchiveCheckAct struct {
	AtOnce

	// Place is one of Service.ArchivePlaces, Name an archive in it, "" for all.
	Place string `json:"place"`
	Name  string `json:"name,omitempty"`
}

// KitCheckAct holds the page of a recovery kit to a repository.
type KitCheckAct struct {
	AtOnce

	Repository string `json:"repository"`
	// Page is what the kit was printed from, as text or HTML. It is kept
	// nowhere.
	Page string `json:"page"`
}

// StorageCheckAct finds out what a bucket would do to the repository in it.
type StorageCheckAct struct {
	AtOnce

	Repository string `json:"repository"`
	// Probe tries the service out, too, with small objects that are removed
	// again.
	Probe bool `json:"probe,omitempty"`
}

func (q *TagAct) about() []string {
	said := []string{"repository", q.Repository}
	for _, id := range q.Snapshots[:min(len(q.Snapshots), 1)] {
		said = append(said, "snapshot", id)
	}
	return said
}

func (q *UnlockAct) about() []string { return []string{"repository", q.Repository} }

func (q *PruneAct) about() []string { return []string{"repository", q.Repository} }

func (q *ArchiveAct) about() []string {
	return []string{"plan", q.Plan, "repository", q.Repository, "snapshot", q.Snapshot, "target", q.Place}
}

func (q *StorageAct) about() []string { return []string{"repository", q.Repository} }

func (q *CheckAct) about() []string { return []string{"repository", q.Repository} }

func (q *VerifyAct) about() []string {
	return []string{"plan", q.Plan, "source", q.Source, "repository", q.Repository}
}

func (q *ArchiveCheckAct) about() []string { return []string{"target", q.Place} }

func (q *KitCheckAct) about() []string { return []string{"repository", q.Repository} }

func (q *StorageCheckAct) about() []string { return []string{"repository", q.Repository} }
