// Package service puts `holdfast serve` together: the plans of holdfast.yaml
// as jobs of the controller, runs as child processes of this same program, and
// the folder in which the service keeps its state.
//
// The folder (StateDir) holds
//
//	ledger/    the live state: what is due, what runs, what is paused
//	history/   the runs that ended
//	logs/      what they printed, one file a run, bounded
//	runs/      how a run ended, written by the run itself as its last act
//	locks/     one lock a plan, which whoever backs it up holds
//	control    the socket by which commands reach a running service
//
// See docs/decisions for why runs are processes.
package service
