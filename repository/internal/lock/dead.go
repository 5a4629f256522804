package lock

import (
	"context"
	"fmt"
	"time"

	"holdfast/repository/id"
)

const (
	// deathWait passes before the lock of a dead process is removed: a far
	// store may still be taking in the last of what it sent.
	deathWait = 5 * time.Second
	// maxBurials bounds how often one attempt to lock removes the locks of the
	// dead: a store may go on listing what is gone.
	maxBurials = 3
)

// Process tells a process apart from all others that a machine had since it
// was started. A name and a PID do not: containers share the name of their
// host, or have each other's, and count PIDs of their own; and PIDs come again.
type Process struct {
	// Boot names the start of the machine, Namespace where the PID counts.
	Boot      string `json:"boot"`
	Namespace string `json:"pid_namespace"`
	// Start is when the process began, in ticks since the machine did.
	Start uint64 `json:"start"`
}

// isDead tells whether the holder was a process of this machine that is no
// more. Of locks that do not say enough nobody can tell.
func (i Info) isDead() bool {
	here := thisProcess()
	return here != Process{} && i.Process.Boot == here.Boot && i.Process.Namespace == here.Namespace && !isAlive(i.PID, i.Process.Start)
}

// removeDead removes the locks of dead processes of this machine.
func removeDead(ctx context.Context, f Files) error {
	var dead []id.ID
	err := Each(ctx, f, func(i id.ID, info Info, err error) error {
		if err == nil && info.isDead() {
			dead = append(dead, i)
		}
		return nil
	})
	if err == nil {
		err = sleep(ctx, deathWait)
	}
	if err != nil {
		return err
	}
	for _, i := range dead {
		if err := f.Remove(ctx, i); err != nil {
			return fmt.Errorf("remove the lock of a process that died: %w", err)
		}
	}
	return nil
}
