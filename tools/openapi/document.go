package main

import (
	"regexp"
	"strconv"
	"strings"

	"holdfast/internal/api"
)

// The parts of a document, of version 3.0.3 of OpenAPI: the one that programs
// which make clients know.
type (
	document struct {
		OpenAPI    string                           `json:"openapi"`
		Info       info                             `json:"info"`
		Servers    []server                         `json:"servers"`
		Security   []map[string][]string            `json:"security"`
		Tags       []tag                            `json:"tags"`
		Paths      map[string]map[string]*operation `json:"paths"`
		Components components                       `json:"components"`
	}
	info struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description"`
	}
	server struct {
		URL string `json:"url"`
	}
	tag struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	components struct {
		Schemas         map[string]*schema        `json:"schemas"`
		Responses       map[string]*response      `json:"responses"`
		SecuritySchemes map[string]securityScheme `json:"securitySchemes"`
	}
	securityScheme struct {
		Type        string `json:"type"`
		Scheme      string `json:"scheme"`
		Description string `json:"description"`
	}
	operation struct {
		ID          string                 `json:"operationId"`
		Summary     string                 `json:"summary"`
		Tags        []string               `json:"tags"`
		Description string                 `json:"description"`
		Role        string                 `json:"x-holdfast-role"`
		Security    *[]map[string][]string `json:"security,omitempty"`
		Parameters  []parameter            `json:"parameters,omitempty"`
		Body        *body                  `json:"requestBody,omitempty"`
		Responses   map[string]*response   `json:"responses"`
	}
	parameter struct {
		Name        string  `json:"name"`
		In          string  `json:"in"`
		Description string  `json:"description,omitempty"`
		Required    bool    `json:"required,omitempty"`
		Schema      *schema `json:"schema"`
	}
	body struct {
		Required bool             `json:"required"`
		Content  map[string]media `json:"content"`
	}
	media struct {
		Schema *schema `json:"schema"`
	}
	response struct {
		Ref         string           `json:"$ref,omitempty"`
		Description string           `json:"description,omitempty"`
		Content     map[string]media `json:"content,omitempty"`
	}
)

const description = "How the plans, runs, repositories and snapshots of a service stand, and what it can be asked to do. " +
	"Times are written as RFC 3339 has them, sizes in bytes. A field that is not there is not known, or does not apply. " +
	"What failed is told as a problem (RFC 9457), with what to do next."

// tags are the roles: what each may do beyond those before it.
var tags = []tag{
	{"viewer", "Names, sizes, outcomes and logs of runs; nothing of what is in the backups."},
	{"operator", "Also looks into snapshots, starts jobs, restores and places holds."},
	{"admin", "Also forgets, releases holds, protects and hands out tokens."},
	{"everybody", "For all, without a token."},
}

func (m *maker) document(operations []api.Operation) *document {
	d := &document{
		OpenAPI: "3.0.3", Info: info{"holdfast", "1", description}, Servers: []server{{api.Prefix}},
		Security: []map[string][]string{{"token": {}}}, Tags: tags, Paths: map[string]map[string]*operation{},
	}
	for i := range operations {
		o := &operations[i]
		if d.Paths[o.Path] == nil {
			d.Paths[o.Path] = map[string]*operation{}
		}
		d.Paths[o.Path][strings.ToLower(o.Method)] = m.operation(o)
	}
	d.Components = components{
		Responses: map[string]*response{"problem": {
			Description: "Why it was not done.", Content: map[string]media{"application/problem+json": {m.of(typeOfProblem)}},
		}},
		SecuritySchemes: map[string]securityScheme{"token": {"http", "bearer", "A token, as `holdfast token create` makes it."}},
		Schemas:         m.schemas,
	}
	return d
}

func (m *maker) operation(o *api.Operation) *operation {
	op := &operation{ID: o.ID, Summary: strings.TrimSuffix(firstSentence(o.Summary), "."), Description: o.Summary, Role: o.Role.String(), Tags: []string{o.Role.String()}}
	if o.Role == api.Nobody {
		op.Security, op.Tags = &[]map[string][]string{}, []string{"everybody"}
	}
	for _, p := range o.Parameters() {
		op.Parameters = append(op.Parameters, m.parameter(o, p))
	}
	if o.Body != nil {
		m.taken(o.Body)
		op.Body = &body{Required: true, Content: map[string]media{"application/json": {m.of(o.Body)}}}
	}
	answer := &response{Description: "Done."}
	switch {
	case o.Answer != nil:
		answer = &response{Description: m.told(o), Content: map[string]media{o.Media: {m.of(o.Answer)}}}
	case o.Status != 204:
		answer = &response{Description: firstSentence(o.Summary), Content: map[string]media{o.Media: {rawSchema(o.Media)}}}
	}
	op.Responses = map[string]*response{strconv.Itoa(o.Status): answer, "default": {Ref: "#/components/responses/problem"}}
	return op
}

// told says what an answer is.
func (m *maker) told(o *api.Operation) string {
	if said := m.says.OfType(elementOf(o.Answer)); said != "" {
		return said
	}
	return firstSentence(o.Summary)
}

// rawSchema is that of an answer that is no JSON of a type.
func rawSchema(media string) *schema {
	switch {
	case strings.HasSuffix(media, "json"):
		return &schema{Type: "object"}
	case media == "application/octet-stream":
		return &schema{Type: "string", Format: "binary"}
	}
	return &schema{Type: "string"}
}

func (m *maker) parameter(o *api.Operation, p api.Parameter) parameter {
	s := m.of(p.Field.Type)
	in := "query"
	if p.InPath {
		in = "path"
	}
	if most := o.MaxOf(p); most > 0 {
		copied, zero := *s, 0
		s, copied.Minimum, copied.Maximum = &copied, &zero, most
	}
	return parameter{Name: p.Name, In: in, Description: m.says.OfField(p.Owner, p.Field.Name), Required: p.InPath, Schema: s}
}

var sentenceEnd = regexp.MustCompile(`[.:] `)

func firstSentence(s string) string {
	if at := sentenceEnd.FindStringIndex(s); at != nil {
		return s[:at[0]] + "."
	}
	return s
}
