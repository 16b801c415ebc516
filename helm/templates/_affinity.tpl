{{/*
Each provider labels spot nodes differently; one matching label is enough. "prefer" also works on a
cluster without spot nodes; "require" keeps workers off all other nodes.
*/}}
{{- define "damage-tasks.workerAffinity" -}}
{{- $spot := .Values.worker.spot -}}
{{- $terms := list -}}
{{- range $label, $value := $spot.labels -}}
{{- $expression := dict "key" $label "operator" "In" "values" (list $value) -}}
{{- $terms = append $terms (dict "matchExpressions" (list $expression)) -}}
{{- end -}}
{{- $node := dict -}}
{{- if and (eq $spot.use "require") $terms -}}
{{- $node = dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) -}}
{{- else if and (eq $spot.use "prefer") $terms -}}
{{- $preferred := list -}}
{{- range $terms -}}
{{- $preferred = append $preferred (dict "weight" 100 "preference" .) -}}
{{- end -}}
{{- $node = dict "preferredDuringSchedulingIgnoredDuringExecution" $preferred -}}
{{- end -}}
{{- $affinity := deepCopy (.Values.worker.affinity | default dict) -}}
{{- $own := $affinity.nodeAffinity | default dict -}}
{{- /* Lists are not merged automatically: preferences add up, and both requirements must be met. */ -}}
{{- $key := "preferredDuringSchedulingIgnoredDuringExecution" -}}
{{- with concat (default list (get $own $key)) (default list (get $node $key)) -}}
{{- $own = set $own $key . -}}
{{- end -}}
{{- $key = "requiredDuringSchedulingIgnoredDuringExecution" -}}
{{- with get $node $key -}}
{{- $both := list -}}
{{- $theirs := (get $own $key | default dict).nodeSelectorTerms | default (list dict) -}}
{{- range $term := $theirs -}}
{{- range $terms -}}
{{- $expressions := concat (default list $term.matchExpressions) .matchExpressions -}}
{{- $both = append $both (merge (dict "matchExpressions" $expressions) $term) -}}
{{- end -}}
{{- end -}}
{{- $own = set $own $key (dict "nodeSelectorTerms" $both) -}}
{{- end -}}
{{- if $own -}}
{{- $affinity = set $affinity "nodeAffinity" $own -}}
{{- end -}}
{{- toYaml $affinity -}}
{{- end }}
