{{/*
What all workloads have in common. Their values (worker, flower, ...) contain the same Kubernetes
options, which only these templates use.
*/}}

{{/*
Metadata of pods: (dict "root" $ "component" "worker" "values" $worker "annotations" $own).
*/}}
{{- define "damage-tasks.podMetadata" -}}
labels: {{- include "damage-tasks.labels" (list .root .component .values.podLabels) | nindent 2 }}
{{- $own := .annotations | default dict | deepCopy }}
{{- with merge $own (.values.podAnnotations | default dict) }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Everything in a pod's spec except its containers and volumes: (dict "root" $ "component" "worker"
"values" $worker), and optionally a service account (a key of serviceAccounts), another security
context, and own initContainers, which run first.
*/}}
{{- define "damage-tasks.podSpec" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- with .account }}
serviceAccountName: {{ include "damage-tasks.serviceAccount" (list $root .) | quote }}
{{- end }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- $security := include "damage-tasks.podSecurity" $root | fromYaml }}
securityContext: {{- .securityContext | default $security | toYaml | nindent 2 }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{- toYaml . | nindent 4 }}
    labelSelector:
      matchLabels: {{- include "damage-tasks.selector" (list $root $.component) | nindent 8 }}
  {{- end }}
{{- end }}
{{- with concat (default list .initContainers) (default list $values.initContainers) }}
initContainers: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* End of the list of containers: the additional ones of a workload's values. */}}
{{- define "damage-tasks.extraContainers" -}}
{{- with .extraContainers }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* End of a container's variables: (list $ $worker). */}}
{{- define "damage-tasks.extraEnv" -}}
{{- include "damage-tasks.certificateEnv" (index . 0) }}
{{- with (index . 1).extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Sources of a container's variables: the settings, then those of a workload's values. */}}
{{- define "damage-tasks.envFrom" -}}
- configMapRef: {name: {{ include "damage-tasks.fullname" (index . 0) | quote }}}
{{- with (index . 1).extraEnvFrom }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* End of a container's mounts: (list $ $worker). */}}
{{- define "damage-tasks.extraVolumeMounts" -}}
{{- range $kind, $name := (index . 0).Values.certificates }}
{{- if $name }}
- {name: {{ $kind }}-certificates, mountPath: /etc/damage-tasks/certificates/{{ $kind }}, readOnly: true}
{{- end }}
{{- end }}
{{- with (index . 1).extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* End of a pod's volumes: (list $ $worker). */}}
{{- define "damage-tasks.extraVolumes" -}}
{{- range $kind, $name := (index . 0).Values.certificates }}
{{- if $name }}
- name: {{ $kind }}-certificates
  configMap: {name: {{ $name | quote }}}
{{- end }}
{{- end }}
{{- with (index . 1).extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Variables by which libpq and all HTTP and TLS clients find the certificates. */}}
{{- define "damage-tasks.certificateEnv" -}}
{{- if .Values.certificates.database }}
- name: PGSSLMODE
  value: verify-full
- name: PGSSLROOTCERT
  value: /etc/damage-tasks/certificates/database/ca.crt
{{- end }}
{{- if .Values.certificates.company }}
{{- range list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" "CURL_CA_BUNDLE" "AWS_CA_BUNDLE" }}
- name: {{ . }}
  value: /etc/damage-tasks/certificates/company/ca.crt
{{- end }}
{{- end }}
{{- end }}

{{/* Values of workers with the tolerations and the affinity that result from worker.spot. */}}
{{- define "damage-tasks.workerValues" -}}
{{- $worker := deepCopy .Values.worker -}}
{{- $spot := ternary (list) $worker.spot.tolerations (eq $worker.spot.use "never") -}}
{{- $tolerations := concat (default list $worker.tolerations) (default list $spot) -}}
{{- $affinity := include "damage-tasks.workerAffinity" . | fromYaml -}}
{{- toYaml (set (set $worker "tolerations" $tolerations) "affinity" $affinity) -}}
{{- end }}
