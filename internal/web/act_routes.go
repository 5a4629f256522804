package web

import "holdfast/internal/api"

// actRoutes are those of acts, and of what is found out when it is asked for.
func (s *site) actRoutes() []route {
	return []route{
		sees("GET /repositories/{repository}/locks", api.RoleOperator, s.show(s.locks)),
		sees("GET /repositories/{repository}/unlock", api.RoleAdmin, s.show(s.unlockPage)),
		does("POST /repositories/{repository}/unlock", api.RoleAdmin, "unlock", s.do(s.unlock)),
		sees("GET /repositories/{repository}/prune", api.RoleAdmin, s.show(s.prunePage)),
		does("POST /repositories/{repository}/prune", api.RoleAdmin, "prune", s.do(s.prune)),
		does("POST /repositories/{repository}/check", api.RoleOperator, "check", s.do(s.check)),
		sees("GET /repositories/{repository}/usage", api.RoleOperator, s.show(s.usage)),
		sees("GET /repositories/{repository}/evidence", api.RoleViewer, s.show(s.evidence)),
		sees("GET /repositories/{repository}/papers/{paper}", api.RoleOperator, s.paper()),
		sees("GET /repositories/{repository}/kit", api.RoleOperator, s.show(s.kit)),
		does("POST /repositories/{repository}/kit", api.RoleOperator, "checkKit", s.do(s.checkKit)),
		sees("GET /repositories/{repository}/storage", api.RoleOperator, s.show(s.storage)),
		does("POST /repositories/{repository}/storage", api.RoleOperator, "checkStorage", s.do(s.checkStorage)),
		sees("GET /repositories/{repository}/storage/apply", api.RoleAdmin, s.show(s.applyPage)),
		does("POST /repositories/{repository}/storage/apply", api.RoleAdmin, "applyStorage", s.do(s.apply)),
		sees("GET /tag", api.RoleAdmin, s.show(s.tagPage)),
		does("POST /tag", api.RoleAdmin, "tag", s.do(s.tag)),
		sees("GET /archives", api.RoleOperator, s.show(s.archives)),
		does("POST /archives", api.RoleOperator, "checkArchives", s.do(s.checkArchives)),
		sees("GET /archive", api.RoleOperator, s.show(s.archivePage)),
		does("POST /archive", api.RoleOperator, "archive", s.do(s.archive)),
		sees("GET /plans/{name}/log", api.RoleOperator, s.show(s.log)),
		sees("GET /plans/{name}/test", api.RoleOperator, s.show(s.verifyPage)),
		does("POST /plans/{name}/test", api.RoleOperator, "verify", s.do(s.verify)),
	}
}
