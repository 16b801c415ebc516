{{/* What workers and Flower may reach: names, AWS and photos by HTTPS, their credentials. */}}
{{- define "damage-tasks.egress" -}}
- to: {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
# Not the node's metadata: what a photo's URL asks for must not find the node's credentials.
- to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}}]
  ports: [{protocol: TCP, port: 443}]
# EKS Pod Identity's agent.
- to: [{ipBlock: {cidr: 169.254.170.23/32}}]
  ports: [{protocol: TCP, port: 80}]
{{- end }}

{{- define "damage-tasks.busEgress" -}}
{{- if .Values.eventBus.enabled -}}
- to: [{podSelector: {matchLabels: {{ include "damage-tasks.selector" (list . "event-bus") | fromYaml | toJson }}}}]
  ports: [{protocol: TCP, port: 6379}]
{{- else -}}
- to: {{- toYaml .Values.networkPolicy.eventBus.to | nindent 4 }}
  ports: [{protocol: TCP, port: {{ .Values.networkPolicy.eventBus.port }}}]
{{- end -}}
{{- end }}
