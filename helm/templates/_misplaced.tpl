{{/*
What is wrong with values that other values exclude, or that belong elsewhere, as a YAML array. No
message repeats a value that may be secret.
*/}}
{{- define "damage-tasks.misplaced" -}}
{{- $wrong := list -}}
{{- $secret := list "DAMAGE_DATABASE_URL" "DAMAGE_EVENT_BUS_URL" "DAMAGE_SENTRY_DSN" "DAMAGE_SLACK_WEBHOOK_URL" "DAMAGE_CLOUDFRONT_PRIVATE_KEY" "DAMAGE_EVIDENCE_KEY" "DAMAGE_WEBHOOK_SECRETS" -}}
{{- range $name := $secret -}}
{{- if hasKey $.Values.settings $name -}}
{{- $wrong = append $wrong (printf "settings.%s is secret: put it into the Secret that secret.existing names" $name) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "DAMAGE_BUNDLE_CACHE" "DAMAGE_HEARTBEAT_FILE" -}}
{{- if hasKey $.Values.settings $name -}}
{{- $wrong = append $wrong (printf "settings.%s is set by the image: remove it" $name) -}}
{{- end -}}
{{- end -}}
{{- with .Values.eventBus.url -}}
{{- if not (regexMatch "^rediss?://([\\w-]*:\\$\\(EVENT_BUS_PASSWORD\\)@)?[^@/: ]+(:\\d+)?(/\\d+)?$" .) -}}
{{- if contains "@" . -}}
{{- $wrong = append $wrong "eventBus.url contains a password: put it into the Secret as EVENT_BUS_PASSWORD, and write rediss://:$(EVENT_BUS_PASSWORD)@HOST:PORT/0" -}}
{{- else -}}
{{- $wrong = append $wrong "eventBus.url is not rediss://HOST:PORT/DATABASE or redis://HOST:PORT/DATABASE" -}}
{{- end -}}
{{- else if $.Values.networkPolicy.enabled -}}
{{- $port := regexReplaceAll "^.*:(\\d+)(/\\d+)?$" . "${1}" -}}
{{- $port = ternary "6379" $port (eq $port .) -}}
{{- if ne $port (toString $.Values.networkPolicy.eventBus.port) -}}
{{- $wrong = append $wrong (printf "networkPolicy.eventBus.port is %v, but eventBus.url has port %s" $.Values.networkPolicy.eventBus.port $port) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $workload := list "worker" "migration" "retention" "rollout" "report" "flower" "review" "deliverer" "shadow" "eventBus" "logs" -}}
{{- $values := index $.Values $workload -}}
{{- range $variable := $values.extraEnv -}}
{{- if hasPrefix "DAMAGE_" $variable.name -}}
{{- $wrong = append $wrong (printf "%s.extraEnv contains %s: set settings.%s, or the key in the Secret" $workload $variable.name $variable.name) -}}
{{- end -}}
{{- end -}}
{{- range $volume := $values.extraVolumes -}}
{{- if or (has $volume.name (list "tmp" "bundles" "logs" "fluent-bit" "history" "state" "node-logs")) (hasSuffix "-certificates" $volume.name) -}}
{{- $wrong = append $wrong (printf "%s.extraVolumes contains %s, which is the name of a volume of the chart: choose another name" $workload $volume.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.logs.shipping "sidecar" -}}
{{- range $option := list "extraEnvFrom" "extraVolumes" "extraVolumeMounts" "extraContainers" "initContainers" "podLabels" "podAnnotations" -}}
{{- if index $.Values.logs $option -}}
{{- $wrong = append $wrong (printf "logs.%s is an option of the DaemonSet's pods, but logs.shipping is sidecar: set worker.%s" $option $option) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $component, $account := .Values.serviceAccounts -}}
{{- if and (not $account.create) (not $account.name) -}}
{{- $wrong = append $wrong (printf "serviceAccounts.%s.create is false: enter the name of a service account that exists, for example default" $component) -}}
{{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end }}
