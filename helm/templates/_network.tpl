{{/*
One rule: (list "to" PEERS "TCP 443, UDP 53"). Without peers there is no rule, because an empty list
would allow every peer in Kubernetes.
*/}}
{{- define "damage-tasks.rule" -}}
{{- if index . 1 }}
- {{ index . 0 }}: {{- toYaml (index . 1) | nindent 4 }}
  ports:
    {{- range splitList ", " (index . 2) }}
    {{- $port := splitList " " . }}
    - {protocol: {{ first $port }}, port: {{ last $port }}}
    {{- end }}
{{- end }}
{{- end }}

{{/* Every address except the metadata service, where a photo URL could read the node's credentials. */}}
{{- define "damage-tasks.anywhere" -}}
- ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}
{{- end }}

{{/* What pods may connect to: DNS, AWS and photos over HTTPS, credentials, and networkPolicy.extraEgress. */}}
{{- define "damage-tasks.egress" -}}
{{- $policy := .Values.networkPolicy }}
{{- include "damage-tasks.rule" (list "to" $policy.dns "UDP 53, TCP 53") }}
{{- $anywhere := include "damage-tasks.anywhere" . | fromYamlArray }}
{{- include "damage-tasks.rule" (list "to" $anywhere "TCP 443") }}
# EKS Pod Identity agent.
- to: [{ipBlock: {cidr: 169.254.170.23/32}}]
  ports: [{protocol: TCP, port: 80}]
{{- with $policy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "damage-tasks.databaseEgress" -}}
{{- $database := .Values.networkPolicy.database }}
{{- include "damage-tasks.rule" (list "to" $database.to (printf "TCP %d" (int64 $database.port))) }}
{{- end }}

{{- define "damage-tasks.busEgress" -}}
{{- if .Values.eventBus.enabled }}
- to: [{podSelector: {matchLabels: {{ include "damage-tasks.selector" (list . "event-bus") | fromYaml | toJson }}}}]
  ports: [{protocol: TCP, port: 6379}]
{{- else }}
{{- $bus := .Values.networkPolicy.eventBus }}
{{- include "damage-tasks.rule" (list "to" $bus.to (printf "TCP %d" (int64 $bus.port))) }}
{{- end }}
{{- end }}
