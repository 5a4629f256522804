package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// What operations of this file take from their path and query.
type ofPlace struct {
	// Place is one of Service.ArchivePlaces.
	Place string
}

// lookingInto are operations that tell what is found out when they are asked.
func lookingInto() []Operation {
	paper := raw("/repositories/{repository}/papers/{paper}", "application/octet-stream", RoleOperator, "getPaper", "Something to print or to hand over: a recovery kit, a record of evidence, all evidence for an auditor, a policy. An answer that ends early is not whole.",
		(*Server).servePaper)
	paper.Streamed = true
	return []Operation{
		get("/repositories/{repository}/locks", RoleOperator, "listLocks", "The locks of a repository, and whether their holders are gone.",
			func(ctx context.Context, s *Server, p ofRepository) ([]Lock, error) {
				return s.backend.Locks(ctx, p.Repository)
			}),
		get("/repositories/{repository}/evidence", RoleViewer, "getEvidence", "The records of a repository, held to their signatures and to each other.",
			func(ctx context.Context, s *Server, p ofRepository) (*Evidence, error) {
				return s.backend.Evidence(ctx, p.Repository)
			}),
		get("/repositories/{repository}/storage", RoleOperator, "getStorageSettings", "What the bucket of a repository is set to, and what is wanted of it.",
			func(ctx context.Context, s *Server, p ofRepository) (*StorageSettings, error) {
				return s.backend.StorageSettings(ctx, p.Repository)
			}),
		get("/repositories/{repository}/usage", RoleOperator, "getUsage", "What snapshots of a repository take up, counted now.",
			func(ctx context.Context, s *Server, q UsageQuery) (*Usage, error) { return s.backend.Usage(ctx, q) }),
		get("/repositories/{repository}/costs", RoleOperator, "getCosts", "What a repository and its copies cost at object stores.",
			func(ctx context.Context, s *Server, p ofRepository) ([]CopyCost, error) {
				return s.backend.Costs(ctx, p.Repository)
			}),
		get("/plans/{plan}/log", RoleOperator, "getLog", "What the log archives of a database have, and what is missing.",
			func(ctx context.Context, s *Server, q LogQuery) ([]LogArchive, error) { return s.backend.Log(ctx, q) }),
		get("/archives", RoleOperator, "listArchives", "What lies in a place for archives.",
			func(ctx context.Context, s *Server, p ofPlace) (*Archives, error) {
				return s.backend.Archives(ctx, p.Place)
			}),
		paper,
	}
}

// acting are operations that are acts: of what may destroy something, the one
// that shows its plan comes before the one that does it.
func acting() []Operation {
	all := planned[TagAct](RoleAdmin, "/plan-tag", "planTag", "What changing the tags of snapshots would do.",
		"/tag", "tag", "Begins to change the tags of snapshots, as it was planned.")
	all = append(all, planned[UnlockAct](RoleAdmin, "/plan-unlock", "planUnlock", "Which locks would be removed, since their holders are gone.",
		"/unlock", "unlock", "Begins to remove the locks whose holders are gone.")...)
	all = append(all, planned[PruneAct](RoleAdmin, "/plan-prune", "planPrune", "What would be freed, and what rewritten.",
		"/prune", "prune", "Begins to free the space of what no snapshot needs.")...)
	all = append(all, planned[StorageAct](RoleAdmin, "/plan-storage", "planStorage", "What would be set at the bucket of a repository.",
		"/storage", "applyStorage", "Begins to set up the bucket of a repository.")...)
	all = append(all, planned[ArchiveAct](RoleOperator, "/plan-archive", "planArchive", "Which archive would be written of a snapshot.",
		"/archive", "archive", "Begins to write a snapshot as an archive.")...)
	return append(all,
		atOnce[CheckAct]("/check", "check", "Begins to check a repository."),
		atOnce[VerifyAct]("/verify", "verify", "Begins to test a restore of a plan, at a point that is chosen."),
		atOnce[ArchiveCheckAct]("/check-archives", "checkArchives", "Begins to read archives back."),
		atOnce[KitCheckAct]("/check-kit", "checkKit", "Begins to hold the page of a recovery kit to a repository."),
		atOnce[StorageCheckAct]("/check-storage", "checkStorage", "Begins to find out what a bucket would do to the repository in it."),
	)
}

// actRequest is a pointer to an act.
type actRequest[Q any] interface {
	*Q
	ActRequest
}

// planned are the two operations of an act whose plan is shown first.
func planned[Q any, P actRequest[Q]](role Role, planPath, planID, plans, path, id, does string) []Operation {
	return []Operation{
		act(http.MethodPost, planPath, role, http.StatusOK, planID, plans,
			func(ctx context.Context, s *Server, _ none, q Q) (*ActPlan, error) {
				noteAct(ctx, P(&q))
				return s.backend.PlanAct(ctx, P(&q))
			}),
		begins[Q, P](role, path, id, does),
	}
}

// atOnce is the operation of an act that needs no plan.
func atOnce[Q any, P actRequest[Q]](path, id, does string) Operation {
	return begins[Q, P](RoleOperator, path, id, does)
}

func begins[Q any, P actRequest[Q]](role Role, path, id, does string) Operation {
	return act(http.MethodPost, path, role, http.StatusAccepted, id, does,
		func(ctx context.Context, s *Server, _ none, q Q) (Started, error) {
			noteAct(ctx, P(&q))
			run, err := s.backend.BeginAct(ctx, P(&q))
			return Started{run}, err
		})
}

// noteAct says in the audit log what an act is about.
func noteAct(ctx context.Context, q ActRequest) {
	said := q.about()
	for k := 0; k+1 < len(said); k += 2 {
		Note(ctx, said[k], said[k+1])
	}
}

func (s *Server) servePaper(w http.ResponseWriter, r *http.Request, q PaperQuery) error {
	return ServePaper(w, r, s.backend, q)
}

// ServePaper answers with a paper as a file. It is written down. An error is
// returned only while nothing was written; one that comes later breaks the
// connection off.
func ServePaper(w http.ResponseWriter, r *http.Request, b Looker, q PaperQuery) error {
	Note(r.Context(), "repository", q.Repository)
	Note(r.Context(), "paper", string(q.Paper))
	begun := false
	err := b.Paper(r.Context(), q, func() io.Writer {
		begun = true
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", Attachment(fmt.Sprintf("%s-%s", q.Repository, q.Paper)))
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
		w.WriteHeader(http.StatusOK)
		return w
	})
	if err == nil || !begun {
		return err
	}
	panic(http.ErrAbortHandler)
}
