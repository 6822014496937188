<resource schema="mock">
  <meta name="title">Mock tables</meta>
  <meta name="creationDate">2026-01-01T00:00:00Z</meta>
  <meta name="description">Mock tables that test a client.</meta>
  <meta name="subject">surveys</meta>
  <table id="objects" onDisk="True" adql="True" forceUnique="False">
    <index columns="tile_id"/>
    <column name="tile_id" type="integer" ucd="meta.id;obs.field" required="True" description="Tile"/>
    <column name="number" type="integer" ucd="meta.id;meta.main" required="True" description="Number in its tile"/>
    <column name="alpha_j2000" type="double precision" unit="deg" ucd="pos.eq.ra;meta.main" description="Right ascension"/>
    <column name="delta_j2000" type="double precision" unit="deg" ucd="pos.eq.dec;meta.main" description="Declination"/>
    <column name="class_star" type="real" ucd="src.class.starGalaxy" description="Stellarity"/>
    <column name="morphology" type="text" ucd="src.morph.type" description="A word"/>
    <column name="flux_aper_3_0" type="real[60]" unit="10**-19erg.s**-1.cm**-2.Angstrom**-1" ucd="phot.flux" description="Fluxes"/>
    <column name="flux_relerr_aper_3_0" type="real[60]" ucd="stat.error;phot.flux" description="Relative errors"/>
    <column name="flags" type="integer[60]" ucd="meta.code" description="Flags" />
    <column name="mask_flags" type="integer[60]" ucd="meta.code" description="Flags of masks" />
  </table>
  <table id="filter" onDisk="True" adql="True">
    <column name="filter_id" type="integer" required="True" description="Number"/>
    <column name="name" type="text" description="Name"/>
  </table>
  <data id="import">
    <sources>objects.npz</sources>
    <embeddedGrammar><iterator><code>
      import numpy as np
      rows = np.load(self.sourceToken)
      names = [n for n in rows.files if not n.startswith("filter_")]
      columns = [rows[n].tolist() for n in names]
      for values in zip(*columns):
        yield dict(zip(names, values))
    </code></iterator></embeddedGrammar>
    <make table="objects"/>
  </data>
  <data id="import_filter">
    <sources>objects.npz</sources>
    <embeddedGrammar><iterator><code>
      import numpy as np
      rows = np.load(self.sourceToken)
      for number, name in zip(rows["filter_id"].tolist(), rows["filter_name"].tolist()):
        yield {"filter_id": number, "name": name}
    </code></iterator></embeddedGrammar>
    <make table="filter"/>
  </data>
</resource>
