package main

// reach says of one command what of the API does the same.
type reach struct {
	// Command is its path, without the name of the program.
	Command string
	// Operations are those of the API that do it, none if none does.
	Operations []string
	// Note says what else is to be known; of a command without operations, why
	// it is for the machine itself.
	Note string
}

// Reasons that several commands share.
const (
	aDatabase = "the database's server calls it, on its own machine"
	aSecret   = "a password would travel"
	theFormat = "for those who look into the format itself"
	theGiving = "it decides what of damaged snapshots is given up, with the disks and copies at hand; `check` tells what is damaged"
	theHost   = "it is about the machine itself"
)

// table has every command. A test holds it to the commands and to the API.
func table() []reach {
	return []reach{
		{"protect", []string{"protect"}, ""},
		{"init", nil, aSecret + "; `protect` makes a repository of its own where it is wanted"},
		{"backup", []string{"startJob"}, "what a plan says; other paths are for the machine itself"},
		{"snapshots", []string{"listSnapshots", "getSnapshot"}, ""},
		{"ls", []string{"listEntries"}, ""},
		{"find", []string{"find"}, ""},
		{"diff", []string{"diff"}, ""},
		{"cat", []string{"getSnapshot"}, "snapshots; the rest, the master key with it, is " + theFormat},
		{"list", []string{"listSnapshots", "listLocks"}, "snapshots and locks; the rest is " + theFormat},
		{"dump", []string{"download"}, ""},
		{"mount", nil, theHost + "; `listEntries` and `download` show the same"},
		{"stats", []string{"getUsage", "getCosts", "getRepository", "getGrowth"}, ""},
		{"restore", []string{"planRestore", "restore"}, "below `service.restore_dirs`; one table, or into a server, is for the machine itself"},
		{"status", []string{"listPlans", "getPlan", "getReport"}, ""},
		{"check", []string{"check", "startJob"}, ""},
		{"repair", nil, theGiving},
		{"repair index", nil, theGiving},
		{"repair packs", nil, theGiving},
		{"repair snapshots", nil, theGiving},
		{"forget", []string{"planForget", "forget", "startJob"}, "chosen snapshots; by policy, the job of the plan"},
		{"prune", []string{"planPrune", "prune", "startJob"}, ""},
		{"hold place", []string{"placeHold"}, ""},
		{"hold list", []string{"listHolds"}, ""},
		{"hold release", []string{"releaseHold"}, ""},
		{"archive export", []string{"planArchive", "archive"}, "to `service.archive_places` and those of the plans, for public keys; with a passphrase " + aSecret},
		{"archive list", []string{"listArchives"}, ""},
		{"archive verify", []string{"checkArchives"}, "without a key: " + aSecret + " otherwise"},
		{"archive import", nil, "it takes the secret key of the archive"},
		{"copy", []string{"startJob"}, "the copies of the plans"},
		{"tag", []string{"planTag", "tag"}, ""},
		{"recover", nil, "it looks through all there is for what nothing refers to, after an accident: whoever mends that sits at the machine"},
		{"rewrite", nil, "it changes what snapshots say that was backed up: nobody but who sits at the machine should"},
		{"key add", nil, aSecret},
		{"key list", nil, "it is about passwords"},
		{"key passwd", nil, aSecret},
		{"key remove", nil, "a mistake locks everybody out for good"},
		{"kit", []string{"getPaper"}, "without secrets; with them, " + aSecret},
		{"kit check", []string{"checkKit"}, ""},
		{"unlock", []string{"listLocks", "planUnlock", "unlock"}, "locks whose holders are gone; all of them, on the machine itself"},
		{"storage plan", []string{"getStorageSettings", "planStorage"}, ""},
		{"storage apply", []string{"planStorage", "applyStorage"}, ""},
		{"storage check", []string{"checkStorage"}, ""},
		{"storage policy", []string{"getPaper"}, ""},
		{"storage undelete", nil, "it is for the time after an attack, when the service may be somebody else's"},
		{"storage extend", []string{"startJob"}, "the job of the repository"},
		{"storage mark", []string{"prune", "startJob"}, "prune marks what other programs wrote"},
		{"verify", []string{"verify", "startJob"}, ""},
		{"evidence list", []string{"getEvidence"}, ""},
		{"evidence show", []string{"getPaper", "getRestoreTest"}, ""},
		{"evidence verify", []string{"getEvidence", "listRestoreTests"}, ""},
		{"evidence export", []string{"getPaper"}, ""},
		{"evidence key", []string{"getPaper"}, "it stands on the recovery kit"},
		{"plan list", []string{"listPlans"}, ""},
		{"plan show", []string{"getPlan"}, "with what set each value"},
		{"plan validate", []string{"checkPlans"}, ""},
		{"plan run", []string{"startJob"}, ""},
		{"plan pause", []string{"pausePlan"}, ""},
		{"plan resume", []string{"resumePlan"}, ""},
		{"plan schema", nil, "it is the same for everybody: docs/holdfast.schema.json"},
		{"serve", []string{"getService"}, "it is what answers"},
		{"service install", nil, theHost},
		{"service status", []string{"getService"}, ""},
		{"service uninstall", nil, theHost},
		{"token create", []string{"createToken"}, ""},
		{"token list", []string{"listTokens"}, ""},
		{"token revoke", []string{"revokeToken"}, ""},
		{"notify test", []string{"testChannel"}, ""},
		{"run list", []string{"listRuns"}, ""},
		{"run next", []string{"listJobs"}, ""},
		{"run show", []string{"getRun", "getRunLog"}, ""},
		{"run start", []string{"startJob"}, "and `stopRun` ends one"},
		{"wal init", nil, "it makes secret keys"},
		{"wal receive", []string{"listJobs"}, "the service runs it"},
		{"wal push", nil, aDatabase},
		{"wal fetch", nil, aDatabase},
		{"wal status", []string{"getLog"}, ""},
		{"wal prune", []string{"startJob"}, "the job of the plan"},
		{"rest-server", nil, theHost},
		{"version", []string{"getService"}, ""},
	}
}
