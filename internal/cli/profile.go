package cli

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// startProfiles starts what --cpu-profile and --mem-profile ask for; stop
// writes the files.
func (g *globalFlags) startProfiles() (stop func() error, err error) {
	cpu := func() error { return nil }
	if g.cpuProfile != "" {
		f, err := os.Create(g.cpuProfile)
		if err != nil {
			return nil, fmt.Errorf("write CPU profile: %w", err)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, errors.Join(fmt.Errorf("write CPU profile: %w", err), f.Close())
		}
		cpu = func() error {
			pprof.StopCPUProfile()
			return f.Close()
		}
	}
	return func() error { return errors.Join(cpu(), g.writeMemProfile()) }, nil
}

func (g *globalFlags) writeMemProfile() error {
	if g.memProfile == "" {
		return nil
	}
	f, err := os.Create(g.memProfile)
	if err != nil {
		return fmt.Errorf("write memory profile: %w", err)
	}
	runtime.GC() // what is garbage is not in use
	return errors.Join(pprof.WriteHeapProfile(f), f.Close())
}
